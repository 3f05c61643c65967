import assert from "node:assert/strict";
import { test } from "node:test";
import { AsleepShards, MAX_ASLEEP_KNOWN } from "./asleep-shards.ts";

function known(of: AsleepShards, names: readonly string[]): string {
  return names.filter((name) => of.has(name)).join("");
}

test("a part replaces what was known of its range, and nothing else", () => {
  const shards = new AsleepShards();
  const names = [..."abcdefg"];
  shards.learn({ shards: names });
  shards.learn({ after: "b", through: "e", shards: ["d"] });
  assert.equal(known(shards, names), "abdfg");
  shards.learn({ through: "b", shards: ["b"] });
  assert.equal(known(shards, names), "bdfg");
  shards.learn({ after: "e", shards: [] });
  assert.equal(known(shards, names), "bd");
  shards.learn({ shards: ["c"] });
  assert.equal(known(shards, names), "c");
  shards.clear();
  assert.equal(known(shards, names), "");
});

test("so many are kept of a node, and no more", () => {
  const shards = new AsleepShards();
  const names = Array.from({ length: MAX_ASLEEP_KNOWN }, (_, i) => `w${i}/0`);
  shards.learn({ shards: names });
  shards.learn({ after: "x", shards: ["y"] });
  assert.equal(shards.has("y"), false);
  assert.equal(shards.has(`w${MAX_ASLEEP_KNOWN - 1}/0`), true);
});
