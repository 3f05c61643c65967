import assert from "node:assert/strict";
import { test } from "node:test";
import { Repeats } from "./repeats.ts";

test("the same report comes once per interval, with the number held back", () => {
  let now = 0;
  const repeats = new Repeats(() => now);
  assert.equal(repeats.note("a"), 0);
  assert.equal(repeats.note("a"), undefined);
  assert.equal(repeats.note("b"), 0);
  now = 4_999;
  assert.equal(repeats.note("a"), undefined);
  now = 5_000;
  assert.equal(repeats.note("a"), 2);
  assert.equal(repeats.note("a"), undefined);
});
