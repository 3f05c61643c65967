import assert from "node:assert/strict";
import { test } from "node:test";
import { Latency } from "./latency.ts";

/** Three digits. */
function near(value: number, expected: number): void {
  assert.ok(Math.abs(value - expected) <= expected / 500, `${value} is not near ${expected}`);
}

test("percentiles of what was added", () => {
  const latency = new Latency();
  for (let ms = 1; ms <= 1_000; ms++) latency.add(ms);
  const { count, mean, p50, p90, p99, p999, max } = latency.percentiles;
  assert.equal(count, 1_000);
  near(mean, 500.5);
  near(p50, 500);
  near(p90, 900);
  near(p99, 990);
  near(p999, 999);
  near(max, 1_000);
});

test("histograms of several processes add up to one of all", () => {
  const all = new Latency();
  const parts = [new Latency(), new Latency(), new Latency()];
  for (let i = 0; i < 3_000; i++) {
    const ms = (i * 7_919) % 5_003;
    all.add(ms / 10);
    parts[i % 3]?.add(ms / 10);
  }
  const merged = new Latency();
  for (const part of parts) merged.merge(part.encode());
  const { max: mergedMax, ...rest } = merged.percentiles;
  const { max, ...expected } = all.percentiles;
  assert.deepEqual(rest, expected);
  near(mergedMax, max);
});

test("what is out of range counts at the ends, and nothing at all is zeros", () => {
  const latency = new Latency();
  assert.deepEqual(latency.percentiles, {
    count: 0,
    mean: 0,
    p50: 0,
    p90: 0,
    p99: 0,
    p999: 0,
    max: 0,
  });
  latency.add(-5);
  latency.add(1e12);
  assert.equal(latency.count, 2);
  assert.equal(latency.percentile(0.5), 0);
  near(latency.percentile(1), 3_600_000);
  latency.reset();
  assert.equal(latency.count, 0);
});

test("a stall counts as long as it lasts, not once", () => {
  const latency = new Latency();
  for (let i = 0; i < 400; i++) latency.addStall(0.1, 2);
  latency.addStall(200, 2);
  assert.ok(latency.percentile(0.9) > 90, String(latency.percentile(0.9)));
  near(latency.percentile(1), 200);
});
