import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { ProxyCounters } from "../metrics.ts";
import { LoadMeter } from "./node-load.ts";

test("load is players, memory, and the bytes to and from players since the last look", () => {
  const clock = new SimClock();
  const counters = new ProxyCounters();
  const meter = new LoadMeter({ counters, clock, memoryBytes: () => 7 });
  counters.openFramed = 1;
  counters.openWebSocket = 2;
  counters.openUdp = 3;
  counters.openLines = 4;
  counters.bytesIn = 100;
  counters.bytesOut = 200;
  counters.udp.bytesOut = 300;
  clock.advance(2000);
  const load = meter.load();
  assert.deepEqual(load, { sessions: 6, memoryBytes: 7, busy: 0, tickMs: 0, bytesPerSecond: 300 });
  clock.advance(1);
  counters.bytesIn = 1_000_000;
  assert.equal(meter.load().bytesPerSecond, 300, "over a millisecond a rate says nothing");
  clock.advance(999);
  assert.equal(meter.load().bytesPerSecond, 999_900);
});
