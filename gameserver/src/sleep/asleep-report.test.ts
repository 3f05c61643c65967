import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ASLEEP_NAMES } from "@atlasnet/core";
import { AsleepReport } from "./asleep-report.ts";

function scene(count: number) {
  const asleep = new Set(Array.from({ length: count }, (_, i) => `w${String(i).padStart(5, "0")}`));
  const report = new AsleepReport({
    names: () => [...asleep].reverse(),
    isAsleep: (shard) => asleep.has(shard),
  });
  return { asleep, report };
}

test("a few are told whole with every renewal, and none at all when none sleeps", () => {
  const { asleep, report } = scene(2);
  assert.deepEqual(report.next(), { shards: ["w00000", "w00001"] });
  asleep.delete("w00000");
  asleep.add("a");
  assert.deepEqual(report.next(), { shards: ["a", "w00001"] });
  asleep.clear();
  assert.equal(report.next(), undefined);
});

test("many are told in parts that cover every name once a round, without a gap", () => {
  const { asleep, report } = scene(2 * MAX_ASLEEP_NAMES + 1);
  const parts = [report.next(), report.next(), report.next()];
  assert.deepEqual(
    parts.flatMap((part) => part?.shards ?? []),
    [...asleep],
  );
  const [first, second, third] = parts;
  assert.equal(first?.after, undefined);
  assert.equal(second?.after, first?.through);
  assert.equal(third?.after, second?.through);
  assert.equal(third?.through, undefined);
  assert.deepEqual(report.next(), first, "and then from the beginning");
});

test("one that woke since its round began is not told, and its range says so; one that fell asleep is in the next round", () => {
  const { asleep, report } = scene(MAX_ASLEEP_NAMES + 3);
  report.next();
  const [last = ""] = [...asleep].slice(-1);
  asleep.delete(last);
  asleep.add("zz");
  const part = report.next();
  assert.equal(part?.through, undefined);
  assert.deepEqual([part?.shards.includes(last), part?.shards.includes("zz")], [false, false]);
  report.next();
  assert.equal(report.next()?.shards.includes("zz"), true);
});
