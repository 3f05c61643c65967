import assert from "node:assert/strict";
import { test } from "node:test";
import { isOver } from "./life-check.ts";

const own = { incarnation: 7, life: 3, start: "a" };

test("a life is over once a later one was seen, or another beginning of the same", () => {
  assert.equal(isOver(own, undefined), false);
  assert.equal(isOver(own, own), false);
  assert.equal(isOver(own, { ...own, life: 2, start: "b" }), false);
  assert.equal(isOver(own, { ...own, life: 4 }), true);
  assert.equal(isOver(own, { ...own, start: "b" }), true);
  // A log that was made anew, or a store that was restored from before.
  assert.equal(isOver(own, { ...own, incarnation: 8, life: 9 }), false);
});
