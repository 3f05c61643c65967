import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import {
  BEHAVIOUR,
  factsOf,
  moduleFile,
  settingsOf,
  simDisk,
  TICKS,
  ticksOf,
} from "../testing/herd.ts";
import { SimThread, until } from "../testing/sim-thread.ts";

// Many pieces of a snapshot, between which the world ticks.
const large = `create(ctx) {
  for (let n = 0; n < 80; n++) ctx.kv.set("large" + n, "x".repeat(16_000));`;
const file = moduleFile(BEHAVIOUR.replace("create(ctx) {", large) + TICKS);
const settings = settingsOf({ file });

test("a large state is written while its world ticks on: whenever the process ends, the next one lives through the same", async () => {
  const stayed = new SimThread(new SimClock(), simDisk());
  await stayed.open(settings);
  await until(stayed.clock, () => ticksOf(stayed).length >= 90);
  const lived = factsOf(stayed, "t");
  for (const ms of [100, 400, 1_150, 1_175, 1_200, 1_225, 1_250]) {
    const clock = new SimClock();
    const disk = simDisk();
    const options = { snapshotIntervalMs: 1_000, journalSyncMs: 10 };
    const first = new SimThread(clock, disk, options);
    await first.open(settings);
    const end = clock.now() + ms;
    await until(clock, () => clock.now() >= end);
    disk.crash("process");
    const second = new SimThread(clock, disk, options);
    await second.open(settings);
    await until(clock, () => ticksOf(second).length > 5);
    const again = factsOf(second, "t");
    const from = Number(again[0]?.["tick"]);
    // Simulated disks take some steps of simulated time for each sync.
    assert.ok(from > ticksOf(first).length - 10, `goes on at ${from} after ${ms} ms`);
    assert.deepEqual(again, lived.slice(from - 1, from - 1 + again.length));
  }
});
