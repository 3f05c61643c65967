import assert from "node:assert/strict";
import { test } from "node:test";
import type { ShardStats } from "../host/protocol.ts";
import { shardStats } from "../testing/shard-stats.ts";
import { LoadFigures } from "./load-figures.ts";

function stats(shard: string, change: Partial<ShardStats> = {}): ShardStats {
  const busy = { tick: 100, ticks: 20, tickSeconds: 0.01, longestTickSeconds: 0.002 };
  const players = { sessions: 9, attachments: 8, clients: 2, entities: 5 };
  return shardStats(shard, { ...busy, ...players, handled: 70, applied: 30, ...change });
}

test("figures are per second of the report, over all worlds", () => {
  const figures = new LoadFigures();
  const idle = { steady: false, ticks: 60, clients: 1, applied: 0 };
  figures.record(
    [stats("a/0", { seconds: 2 }), stats("b/0", { clients: 5 }), stats("c/0", idle)],
    0,
  );
  const { worlds, ...totals } = figures.at(1_000);
  // The slowest of those that tick all the time.
  assert.deepEqual(totals, { connected_clients: 8, events_per_sec: 45, tick_hz: 10 });
  assert.deepEqual(
    worlds.map(({ name, tick_hz }) => [name, tick_hz]),
    [
      ["b", 20],
      ["a", 10],
      ["c", 60],
    ],
  );
});

test("without worlds that tick all the time, the fastest counts", () => {
  const figures = new LoadFigures();
  figures.record(
    [stats("a/0", { steady: false, ticks: 3 }), stats("b/0", { steady: false, ticks: 7 })],
    0,
  );
  assert.equal(figures.at(0).tick_hz, 7);
});

test("a world that reports nothing has its clients still, and no events", () => {
  const figures = new LoadFigures();
  figures.record([stats("a/0")], 0);
  assert.equal(figures.at(2_500).events_per_sec, 30);
  const { connected_clients, events_per_sec, tick_hz } = figures.at(2_501);
  assert.deepEqual([connected_clients, events_per_sec, tick_hz], [2, 0, 0]);
  figures.forget("a/0");
  assert.deepEqual(figures.at(2_501), {
    connected_clients: 0,
    events_per_sec: 0,
    tick_hz: 0,
    worlds: [],
  });
});
