import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToShard } from "@atlasnet/core";
import { MAX_RETURN_MS, Returning } from "./returning.ts";

const attach: ToShard = {
  ...{
    type: "attach",
    shard: "arena/0",
    epoch: 7,
    attach: 1,
    account: "ann",
    name: "",
    data: null,
  },
  ...{ stream: new Uint8Array(8), attempt: 1, firstUnacked: 1, lastReceived: 0 },
};
const detach: ToShard = { type: "detach", shard: "arena/0", epoch: 7, attach: 1 };

test("the first tick waits until all are back, for half the time between two ticks at most", () => {
  const returning = new Returning(2, { dueAt: 1_000, intervalMs: 20 });
  assert.equal(returning.heldUp(1_000), 1_010);
  assert.equal(returning.saw([detach, attach]), false);
  assert.equal(returning.heldUp(1_000), 1_010);
  assert.equal(returning.heldUp(1_040), 1_040);
  assert.equal(returning.saw([attach]), true);
  assert.equal(returning.heldUp(1_000), 1_000);
});

test("of slow worlds it is held up by so much at most; with nobody expected not at all", () => {
  const slow = new Returning(1, { dueAt: 0, intervalMs: 1_000 });
  assert.equal(slow.heldUp(0), MAX_RETURN_MS);
  assert.equal(new Returning(0, { dueAt: 0, intervalMs: 1_000 }).heldUp(0), 0);
});

test("it is over once all are back, or it is too late to come with the others", () => {
  const returning = new Returning(1, { dueAt: 1_000, intervalMs: 50 });
  assert.equal(returning.isOver(1_000), false);
  assert.equal(returning.isOver(1_250), false);
  assert.equal(returning.isOver(1_251), true);
  returning.saw([attach]);
  assert.equal(returning.isOver(1_000), true);
});
