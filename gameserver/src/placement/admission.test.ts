import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorld, encodeRecord, nodeKey, shardKey, worldKey } from "@atlasnet/core";
import { nodeRecord, TinyStore, worldRecord } from "@atlasnet/core/testing";
import { Admission } from "./admission.ts";
import { HostedShard, PhaseCounts } from "./hosted-shard.ts";
import { HostingView } from "./hosting-view.ts";
import { Outbox } from "./outbox.ts";
import { Retries } from "./retries.ts";

/** Worlds of one node, all wanted there; what is opened, released and forgotten is noted. */
function scene(worlds: readonly string[]) {
  const store = new TinyStore();
  const view = new HostingView({ node: "g" });
  store.onChanges = (changes) => {
    for (const change of changes) view.records.apply(change);
  };
  const put = (key: string, value: Uint8Array) =>
    store.txn({ compare: [], then: [{ type: "put", key, value }] });
  const want = (shard: string, wanted: string) =>
    put(shardKey(shard), encodeRecord("shard", { wanted, reason: "placed" }));
  const node = { ...nodeRecord({ boot: "g1", state: "ready" }), cordoned: false };
  put(nodeKey("g"), encodeRecord("node", node));
  view.registration = { boot: "g1", generation: 0, revision: 1 };
  const outbox = new Outbox();
  const counts = new PhaseCounts();
  const noted: string[] = [];
  const admission = new Admission(
    { maxClaims: 2, maxOpens: 1 },
    { view, outbox, retries: new Retries({ view, outbox }) },
    {
      counts,
      running: {
        open: (entry) => {
          entry.phase = "opening";
          noted.push(`open ${entry.shard}`);
        },
      },
      releasing: { release: ({ shard }, why) => void noted.push(`release ${shard}: ${why}`) },
      forget: ({ shard }) => void noted.push(`forget ${shard}`),
    },
  );
  const entries = worlds.map((world) => {
    const made = createWorld(world, store.seen("world", worldKey(world)), worldRecord());
    assert.ok(made.ok);
    store.txn(made.txn);
    want(`${world}/0`, "g");
    return new HostedShard(`${world}/0`, world, counts);
  });
  const claimed = (entry: HostedShard) => {
    const world = view.worldOf(entry).created;
    entry.ownership = { epoch: 9, world, turn: 1, lastTurn: undefined };
    entry.phase = "claimed";
  };
  /** What began since the last time. */
  const fill = () => {
    outbox.begin(0);
    admission.fill();
    const prepared = outbox.take().map((effect) => {
      assert.ok(effect.type === "prepare");
      return `prepare ${effect.shard}`;
    });
    return [...prepared, ...noted.splice(0)];
  };
  return { admission, view, entries, want, claimed, fill };
}

test("only so many are prepared or opened at a time; the others follow in their order", () => {
  const { admission, entries, claimed, fill } = scene(["a", "b", "c"]);
  const [a, b, c] = entries;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  for (const entry of entries) admission.lookAtRest(entry);
  assert.deepEqual(fill(), ["prepare a/0", "prepare b/0"]);
  b.phase = "claiming";
  assert.deepEqual(fill(), [], "a claim under way counts as one that is prepared");
  for (const entry of [b, a]) {
    claimed(entry);
    admission.lookAtClaimed(entry);
  }
  assert.deepEqual(fill(), ["prepare c/0", "open b/0"]);
  assert.deepEqual(fill(), []);
  b.phase = "open";
  assert.deepEqual(fill(), ["open a/0"]);
});

test("nothing begins of what waits no more: it is wanted elsewhere, arrives as a replica, or the node stops", () => {
  const { admission, view, entries, want, claimed, fill } = scene(["a", "b", "c"]);
  const [a, b, c] = entries;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  for (const entry of [a, b]) admission.lookAtRest(entry);
  want("a/0", "h");
  admission.lookAtRest(a);
  admission.leave(b);
  assert.deepEqual(fill(), ["forget a/0"]);
  claimed(c);
  admission.lookAtClaimed(c);
  view.draining = true;
  admission.lookAtClaimed(c);
  assert.deepEqual(fill(), ["release c/0: the node is stopping"]);
  view.draining = false;
  admission.lookAtRest(b);
  admission.clear();
  assert.deepEqual(fill(), []);
});
