import assert from "node:assert/strict";
import { test } from "node:test";
import { Tally } from "./tally.ts";
import { UsageMeter } from "./usage-meter.ts";

test("what was used between the beginning and the end, of clients that came and went", () => {
  const stats = (base: number) => ({
    ...{ bytesIn: base + 1, bytesOut: base + 2, messagesIn: base + 3, messagesOut: base + 4 },
    ...{ packetsIn: base + 5, packetsOut: base + 6, packetsLost: base + 7 },
  });
  let carried = [stats(0), stats(10)];
  let cpuMs = 100;
  const meter = new UsageMeter({ carried: () => carried, cpuMs: () => cpuMs });
  const { counts } = new Tally();
  meter.end(counts);
  assert.deepEqual([meter.running, counts.bytesIn], [false, 0], "it had not begun");
  meter.begin();
  assert.equal(meter.running, true);
  carried = [stats(100), stats(10), stats(1_000)];
  cpuMs = 250;
  meter.begin();
  meter.end(counts);
  carried = [];
  meter.end(counts);
  assert.deepEqual([meter.running, meter.cpuMs], [false, 150]);
  const { bytesIn, bytesOut, messagesIn, messagesOut } = counts;
  assert.deepEqual([bytesIn, bytesOut, messagesIn, messagesOut], [1_101, 1_102, 1_103, 1_104]);
  const { packetsIn, packetsOut, packetsLost } = counts;
  assert.deepEqual([packetsIn, packetsOut, packetsLost], [1_105, 1_106, 1_107]);
});
