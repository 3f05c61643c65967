import assert from "node:assert/strict";
import { test } from "node:test";
import { isQuorumWithout } from "./quorum-after.ts";

test("who is removed must not be needed: those who answer are a quorum of the rest", () => {
  const holds = (voters: string, answering: string, removed: string) =>
    isQuorumWithout([...voters], removed, new Set(answering));
  assert.equal(holds("abc", "ab", "b"), false, "a alone is no quorum of a and c");
  assert.equal(holds("abc", "ab", "c"), true);
  assert.equal(holds("abc", "a", "l"), true, "learners do not count");
  assert.equal(holds("ab", "ab", "b"), true);
  assert.equal(holds("ab", "a", "b"), true);
  assert.equal(holds("a", "a", "a"), true, "the core refuses that");
  assert.equal(holds("abcde", "abc", "c"), false);
  assert.equal(holds("abcde", "abc", "e"), true);
});
