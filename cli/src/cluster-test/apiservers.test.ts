import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiserverCluster } from "../testing/apiserver-cluster.ts";
import { BRIEF } from "./scene.ts";

/** Apiservers as processes of their own, asked over HTTP as everybody asks them. */

async function scene(t: TestContext) {
  const cluster = await ApiserverCluster.start();
  t.after(() => cluster.stop());
  const [first] = cluster.nodes;
  assert.ok(first);
  const addresses = cluster.nodes.map(({ api }) => api);
  const client = new ApiClient(
    { addresses, token: await first.token(), retryMs: 25_000 },
    { clock: systemClock, random: systemRandom },
  );
  t.after(() => client.close());
  return { cluster, store: new ControlClient({ client }) };
}

function put(key: string) {
  const value = new TextEncoder().encode(key);
  return { compare: [], then: [{ type: "put", key, value }] } as const;
}

async function keysOf(store: ControlClient): Promise<readonly string[]> {
  const { items } = await store.range({ prefix: "k/" });
  return items.map(({ key }) => key);
}

test("leaders are killed one after the other, and come back: nothing that was acknowledged is lost", async (t) => {
  const { cluster, store } = await scene(t);
  const wanted: string[] = [];
  for (let round = 0; round < (BRIEF ? 2 : 3); round++) {
    const leader = await cluster.leader();
    // Some before, some while the leader goes, some when it is gone.
    const writes = Array.from(
      { length: 20 },
      (_, at) => `k/${round}-${String(at).padStart(2, "0")}`,
    );
    const half = writes.splice(0, 10);
    for (const key of half) await store.txn(put(key));
    const during = Promise.all(writes.map((key) => store.txn(put(key))));
    await leader.kill();
    await during;
    wanted.push(...half, ...writes);
    assert.deepEqual(await keysOf(store), wanted);
    leader.start();
    await leader.ready();
  }
  for (const node of cluster.nodes) await node.kill();
  for (const node of cluster.nodes) node.start();
  assert.deepEqual(await keysOf(store), wanted);
});

/** A machine that does much else may take longer than a leader waits for another to take over. */
const HANDOVERS = 3;

test("a leader that is stopped in order ends with 0 and has handed leadership over", async (t) => {
  const { cluster, store } = await scene(t);
  const keys: string[] = [];
  const seen: string[] = [];
  const isOver = () => seen.some((line) => line.includes("Leadership was handed over"));
  for (let stop = 1; stop <= HANDOVERS && !isOver(); stop++) {
    keys.push(`k/${stop}`);
    await store.txn(put(`k/${stop}`));
    const leader = await cluster.leader();
    const { code } = await leader.stop();
    seen.push(...leader.lines.slice(-20));
    assert.equal(code, 0, leader.lines.slice(-10).join("\n"));
    assert.deepEqual(await keysOf(store), keys);
    leader.start();
    await leader.ready();
  }
  assert.ok(isOver(), seen.join("\n"));
});
