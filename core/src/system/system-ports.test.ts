import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TIMER_MS } from "../ports/clock.ts";
import { systemClock } from "./system-clock.ts";
import { systemRandom } from "./system-random.ts";

test("timers fire in a later turn, in order, and can be cancelled", async () => {
  const seen: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.setTimer(0, resolve);
    systemClock.setTimer(0, () => seen.push("never")).cancel();
    seen.push("set");
  });
  // Set after the first turn: a process that stood still meanwhile would find a timeout due before the end of its turn.
  await new Promise<void>((resolve) => {
    systemClock.setTimer(30, resolve);
    systemClock.setTimer(15, () => seen.push("in time"));
    systemClock.setTimer(5, () => seen.push("never")).cancel();
  });
  assert.deepEqual(seen, ["set", "in time"]);
});

test("timers no adapter can keep are refused", () => {
  for (const ms of [-1, Number.NaN, MAX_TIMER_MS + 1])
    assert.throws(() => systemClock.setTimer(ms, () => {}), RangeError);
});

test("the clock does not go back and knows the date", () => {
  const start = systemClock.now();
  assert.ok(systemClock.now() >= start);
  assert.ok(systemClock.wallTime() > Date.UTC(2020, 0, 1));
});

test("random bytes have their own buffer and differ", () => {
  const bytes = systemRandom.bytes(16);
  assert.equal(bytes.buffer.byteLength, 16);
  assert.equal(bytes.constructor, Uint8Array);
  assert.notDeepEqual(bytes, systemRandom.bytes(16));
  const roll = systemRandom.int(1, 6);
  assert.ok(Number.isInteger(roll) && roll >= 1 && roll <= 6);
  assert.throws(() => systemRandom.int(0.5, 2), RangeError);
});
