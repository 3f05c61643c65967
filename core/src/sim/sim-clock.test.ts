import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { settle } from "../node/settle.ts";
import { SimClock } from "./sim-clock.ts";

test("timers fire in order of time, then of setting, and time is theirs", () => {
  const clock = new SimClock();
  const seen: string[] = [];
  clock.setTimer(20, () => seen.push(`late ${clock.now()}`));
  clock.setTimer(10, () => seen.push(`first ${clock.now()}`));
  clock.setTimer(10, () => {
    seen.push(`second ${clock.now()}`);
    clock.setTimer(0, () => seen.push(`nested ${clock.now()}`));
  });
  clock.advance(15);
  assert.deepEqual(seen, ["first 10", "second 10", "nested 10"]);
  assert.equal(clock.now(), 15);
  clock.advance(5);
  assert.equal(seen.at(-1), "late 20");
  assert.equal(clock.pending, 0);
});

test("each look takes as long as the clock was told, and makes nothing late or early by more", () => {
  const clock = new SimClock({ lookMs: 0.5 });
  assert.deepEqual([clock.now(), clock.now()], [0.5, 1]);
  const seen: number[] = [];
  clock.setTimer(1, () => seen.push(clock.now()));
  clock.now();
  clock.now();
  clock.now();
  clock.advance(0);
  assert.deepEqual(seen, [3], "it was due at 2, and the look before it was at 2.5");
  clock.advance(1);
  assert.equal(clock.now(), 4.5);
});

test("a cancelled timer does not fire, and does not stay", () => {
  const clock = new SimClock();
  for (let i = 0; i < 1000; i++) clock.setTimer(1000 + i, () => assert.fail()).cancel();
  const timer = clock.setTimer(5, () => {});
  clock.advance(10);
  timer.cancel();
  timer.cancel();
  assert.equal(clock.pending, 0);
  assert.equal(clock.step(), false);
});

test("any set of timers fires sorted", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean())), (timers) => {
      const clock = new SimClock();
      const seen: number[] = [];
      const kept = timers.filter(([ms, keep], i) => {
        const timer = clock.setTimer(ms, () => seen.push(ms * 1000 + i));
        if (!keep) timer.cancel();
        return keep;
      });
      assert.equal(clock.pending, kept.length);
      clock.advance(100);
      assert.equal(seen.length, kept.length);
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      );
    }),
  );
});

test("drive runs asynchronous work in virtual time", async () => {
  const clock = new SimClock({ wallStart: 1000 });
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve));
  const work = async () => {
    for (let i = 0; i < 10; i++) await sleep(60_000);
    return clock.now();
  };
  assert.equal(await clock.drive(work(), settle), 600_000);
  assert.equal(clock.wallTime(), 601_000);
  await clock.elapse(500, settle);
  assert.equal(clock.now(), 600_500);
});

test("drive says when the work can never finish", async () => {
  const clock = new SimClock();
  await assert.rejects(clock.drive(new Promise(() => {}), settle), /no timer will bring/);
  assert.throws(() => clock.setTimer(Number.NaN, () => {}), RangeError);
});
