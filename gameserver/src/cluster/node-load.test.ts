import assert from "node:assert/strict";
import { test } from "node:test";
import { shardStats as stats } from "../testing/shard-stats.ts";
import { LoadMeter } from "./node-load.ts";

test("the busiest thread counts, for as long as it reports; players count until their world is gone", () => {
  const meter = new LoadMeter();
  const at = (now: number, bytes = 0) => meter.at(now, { bytes, memoryBytes: 5 });
  assert.deepEqual(at(0), {
    sessions: 0,
    memoryBytes: 5,
    busy: 0,
    tickMs: 0,
    bytesPerSecond: 0,
  });
  meter.record([stats("a/0", { tickSeconds: 0.25, longestTickSeconds: 0.5, sessions: 3 })], 1000);
  meter.record(
    [
      stats("b/0", { tickSeconds: 0.25, sessions: 2 }),
      stats("c/0", { tickSeconds: 0.5, sessions: 1 }),
    ],
    1000,
  );
  const { sessions, busy, tickMs } = at(1200);
  assert.deepEqual([sessions, busy, tickMs], [6, 0.75, 500]);
  meter.forget("b/0");
  const later = at(9000);
  assert.deepEqual([later.sessions, later.busy, later.tickMs], [4, 0, 0]);
});

test("bytes per second are those since a second ago or more", () => {
  const meter = new LoadMeter();
  const at = (now: number, bytes: number) =>
    meter.at(now, { bytes, memoryBytes: 0 }).bytesPerSecond;
  assert.equal(at(0, 100), 0);
  assert.equal(at(2000, 5100), 2500);
  assert.equal(at(2500, 9999), 2500, "too soon to tell");
  assert.equal(at(4000, 5100), 0);
});
