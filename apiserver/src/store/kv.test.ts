import assert from "node:assert/strict";
import { test } from "node:test";
import { ControlError, KeyValueStore, type KvChange, MAX_KV_VALUE_BYTES } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import { systemClock } from "@atlasnet/core/system";
import { later } from "@atlasnet/core/testing";
import { LocalLog } from "./local-log.ts";
import { ReplicatedStore } from "./replicated-store.ts";

const ONE = Uint8Array.of(1);

function makeStore(): ReplicatedStore {
  const clock = systemClock;
  const log = new LocalLog({}, { clock });
  const random = new SeededRandom(1);
  return new ReplicatedStore({}, { log, clock, random, holdsLease: () => true });
}

test("scopes are apart, keys are their own, writes may expect and assume", async () => {
  const store = makeStore();
  const cluster = new KeyValueStore({ type: "cluster" }, { store });
  const node = new KeyValueStore({ type: "node", node: "gs-1" }, { store });
  const other = new KeyValueStore({ type: "node", node: "gs-10" }, { store });
  const put = await cluster.put("best/score", ONE, { expect: 0 });
  assert.ok(put.ok);
  assert.deepEqual(await cluster.get("best/score"), {
    key: "best/score",
    value: ONE,
    revision: put.revision,
  });
  assert.equal(await node.get("best/score"), undefined);
  assert.equal((await cluster.put("best/score", ONE, { expect: 0 })).ok, false);
  const owner = { type: "modified", key: "shards/w/0/owner", is: "equal", revision: 99 } as const;
  assert.equal((await cluster.put("best/score", ONE, { assuming: [owner] })).ok, false);
  assert.equal((await cluster.delete("best/score", { expect: put.revision })).ok, true);
  for (const key of ["a", "b", "c"]) await node.put(key, ONE);
  const page = await node.list("", { limit: 2 });
  assert.deepEqual([page.items.map(({ key }) => key), page.more], [["a", "b"], true]);
  assert.deepEqual(
    (await node.list("", { after: "b" })).items.map(({ key }) => key),
    ["c"],
  );
  assert.deepEqual((await other.list()).items, []);
  store.stop();
});

test("bounds, and names that would reach elsewhere", async () => {
  const store = makeStore();
  const kv = new KeyValueStore({ type: "cluster" }, { store });
  const refused = (code: string) => (error: unknown) =>
    error instanceof ControlError && error.code === code;
  await assert.rejects(kv.put("", ONE), refused("bad-request"));
  await assert.rejects(kv.get("x".repeat(257)), refused("bad-request"));
  await assert.rejects(kv.put("k", new Uint8Array(MAX_KV_VALUE_BYTES + 1)), refused("too-large"));
  for (const node of ["", "a/b"])
    assert.throws(
      () => new KeyValueStore({ type: "node", node }, { store }),
      refused("bad-request"),
    );
  store.stop();
});

test("a watch names keys as they are named below the scope", async () => {
  const store = makeStore();
  const kv = new KeyValueStore({ type: "node", node: "gs-1" }, { store });
  const { revision } = await kv.list();
  const changes: KvChange[] = [];
  const ended = later<Error>();
  const deleted = later<void>();
  kv.watch("a/", revision, {
    changed: (event) => {
      changes.push(...event.changes);
      if (changes.length === 2) deleted.resolve();
    },
    compacted: () => ended.resolve(new Error("compacted")),
    failed: (error) => ended.resolve(error),
  });
  await kv.put("a/1", ONE);
  await kv.put("b/1", ONE);
  await kv.delete("a/1");
  await deleted.promise;
  assert.deepEqual(
    changes.map(({ key, value }) => [key, value]),
    [
      ["a/1", ONE],
      ["a/1", undefined],
    ],
  );
  store.stop();
  const error = await ended.promise;
  assert.ok(error instanceof ControlError && error.code === "unreachable");
});
