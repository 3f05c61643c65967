import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ApiserverLink,
  InProcessNetwork,
  modifiedIs,
  noopLogger,
  RemoteStore,
  type RenewalAnswer,
} from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { follow, reached } from "@atlasnet/core/testing";
import { ApiserverGroup } from "../server/testing/apiserver-group.ts";

const ABC = ["a", "b", "c"];
const COUNT = "kv/cluster/count";
/** Writes between one death and the next. */
const WRITES = 25;

test("a gameserver writes and watches on while leaders and its own apiserver die", async (t) => {
  const network = new InProcessNetwork({ verify: true });
  const group = await ApiserverGroup.create(t, network);
  await Promise.all(ABC.map((node) => group.start(node, ABC)));
  await group.leader();
  const link = new ApiserverLink(
    { apiservers: ABC, software: "test", cluster: "test" },
    {
      network: network.node({ role: "gameserver", node: "gs-1" }),
      ...{ clock: systemClock, random: systemRandom, logger: noopLogger },
    },
  );
  const store = new RemoteStore(
    { timeoutMs: 25_000 },
    { calls: link, clock: systemClock, random: systemRandom },
  );
  link.start();
  t.after(() => {
    store.stop();
    link.stop();
  });

  const watch = follow(store, { prefix: "kv/cluster/w/", after: 0 });
  let written = 0;
  let over = false;
  const writing = (async () => {
    // Whoever is the only one to write, and compares with what it was told, always succeeds: unless a
    // transaction was applied twice, or one that was answered is gone.
    for (let last = 0; !over; written++) {
      const value = new TextEncoder().encode(String(written));
      const { succeeded, revision } = await store.txn({
        compare: [modifiedIs(COUNT, last)],
        then: [
          { type: "put", key: COUNT, value },
          { type: "put", key: `kv/cluster/w/${written}`, value },
        ],
      });
      assert.ok(succeeded, `write ${written}`);
      last = revision;
    }
  })();
  const more = async () => {
    const from = written;
    await Promise.race([writing, reached(() => written >= from + WRITES)]);
    assert.ok(written >= from + WRITES);
  };
  await more();
  const killed: string[] = [];
  const die = async (node: string) => {
    killed.push(node);
    await group.kill(node);
    await more();
    await group.start(node, ABC);
  };
  await die(await group.leader());
  const own = link.connected?.node;
  assert.ok(own !== undefined);
  await die(own);
  await die(await group.leader());
  over = true;
  await writing;

  const { items } = await store.range({ key: COUNT });
  assert.equal(new TextDecoder().decode(items[0]?.value), String(written - 1));
  assert.equal(items[0]?.version, written);
  const [last] = (await store.range({ key: `kv/cluster/w/${written - 1}` })).items;
  assert.ok(last !== undefined);
  await watch.until(() => watch.revision >= last.modified || watch.end !== undefined);
  assert.equal(watch.end, undefined);
  assert.deepEqual(watch.problems, []);
  assert.deepEqual(
    watch.changes.map((change) => change.type === "put" && change.item.key),
    Array.from({ length: written }, (_, i) => `kv/cluster/w/${i}`),
  );
  assert.ok(link.counts.connected >= 2, `it went from one to another: ${killed.join()}`);
  // Told by the apiservers themselves.
  await assert.rejects(store.txn({ compare: [], then: [{ type: "delete", key: "worlds/x" }] }), {
    code: "forbidden",
  });
  const load = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
  let renewed: RenewalAnswer | undefined;
  // A leader answers renewals a moment after it can be written to.
  for (
    let number = 1;
    renewed === undefined || renewed.ok || renewed.code === "not-leader";
    number++
  )
    renewed = await store.renew({ boot: "b", number, load }, 5000);
  assert.deepEqual(renewed, { ok: false, code: "unknown-node" });
  const [process] = group.running.values();
  const { host, port } = process?.addresses.health ?? { host: "", port: 0 };
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  assert.match(metrics, /atlasnet_nodes_linked\{[^}]*role="gameserver"[^}]*\} [01]/);
});
