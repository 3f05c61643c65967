import assert from "node:assert/strict";
import { test } from "node:test";
import { firstRevision } from "@atlasnet/core";
import { isExact, localCounts } from "./snapshot-choice.ts";

const owner = (epoch: number) => ({ epoch, world: 1, turn: 1 });
const local = (epoch: number, tick: number, damaged: readonly unknown[] = []) => ({
  ...{ owner: owner(epoch), tip: { epoch, tick }, damaged },
});

test("of two states the one of the later epoch counts, whatever their ticks are", () => {
  assert.equal(localCounts(local(5, 9_000), { epoch: 6, tick: 10 }), false);
  assert.equal(localCounts(local(7, 10), { epoch: 6, tick: 9_000 }), true);
});

test("at the epoch of the snapshot, the files of its run count unless they are behind it", () => {
  assert.equal(localCounts(local(6, 10), { epoch: 6, tick: 10 }), true);
  assert.equal(localCounts(local(6, 11), { epoch: 6, tick: 10 }), true);
  assert.equal(localCounts(local(6, 9), { epoch: 6, tick: 10 }), false);
});

test("files of an owner over whom a mirror was promoted do not count, nor do earlier ones", () => {
  const recorded = { epoch: 6, tick: 10, promotedOver: 8 };
  assert.equal(localCounts(local(8, 9_000), recorded), false);
  assert.equal(localCounts(local(7, 9_000), recorded), false);
  assert.equal(
    localCounts(local(9, 12), recorded),
    true,
    "the mirror's own, and of who came after",
  );
  // Whoever came after has recorded something by now.
  assert.equal(localCounts(local(10, 12), { ...recorded, epoch: 10 }), true);
});

test("files that lost their newest do not count where the snapshot is newer", () => {
  assert.equal(localCounts(local(7, 9, ["x"]), { epoch: 6, tick: 10 }), false);
  assert.equal(localCounts(local(7, 11, ["x"]), { epoch: 6, tick: 10 }), true);
});

test("no files, files without a state, and files of no cluster do not count", () => {
  const recorded = { epoch: 6, tick: 10 };
  assert.equal(localCounts(undefined, recorded), false);
  assert.equal(localCounts({ owner: owner(9), tip: undefined, damaged: [] }, recorded), false);
  const alone = { owner: undefined, tip: { epoch: 99, tick: 99 }, damaged: [] };
  assert.equal(localCounts(alone, recorded), false);
});

test("a snapshot is exact only if its owner stopped there, gave the shard back, and this is the next claim", () => {
  const record = { world: 1, epoch: 50, turn: 3, final: true };
  const claim = { world: 1, epoch: 60, turn: 5, lastTurn: undefined, released: true } as const;
  assert.equal(isExact(record, claim), true);
  assert.equal(isExact({ ...record, final: false }, claim), false);
  assert.equal(isExact({ ...record, world: 2 }, claim), false);
  // Somebody was in between, if only for a moment.
  assert.equal(isExact(record, { ...claim, turn: 7 }), false);
  // It went on under a reclaim, and was lost: no turn more than a release would have taken.
  const { released: _, ...notReleased } = claim;
  assert.equal(isExact(record, notReleased), false);
  assert.equal(isExact(record, { ...claim, epoch: firstRevision(1) + 60 }), false);
});
