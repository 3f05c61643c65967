import assert from "node:assert/strict";
import { test } from "node:test";
import { skippedTicks } from "./slept-state.ts";

const TIMER = { nextTimer: 140, tickRate: 20 };

test("timers go on while a world sleeps, up to the next one; without any its time stands still", () => {
  const skipped = (elapsedMs: number, wakeInMs?: number) =>
    skippedTicks({ tick: 100, wakeInMs, elapsedMs }, TIMER);
  assert.equal(skipped(0, 2000), 0);
  assert.equal(skipped(1000, 2000), 20);
  assert.equal(skipped(1990, 2000), 39);
  assert.equal(skipped(2000, 2000), 40);
  assert.equal(skipped(9_000, 2000), 40, "not beyond it");
  // It had rested for a second when it fell asleep.
  assert.equal(skipped(0, 1000), 20);
  assert.equal(skipped(3_600_000), 0);
});
