import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { Alarm } from "./alarm.ts";

describe("Alarm", () => {
  function alarmOf() {
    const clock = new SimClock();
    const rung: number[] = [];
    let timers = 0;
    const counting: Clock = {
      now: () => clock.now(),
      wallTime: () => clock.wallTime(),
      setTimer: (ms, run) => {
        timers += 1;
        return clock.setTimer(ms, run);
      },
    };
    const start = clock.now();
    const alarm = new Alarm(counting, () => rung.push(clock.now() - start));
    const set = (at: number) => alarm.set(start + at);
    return { clock, rung, set, timers: () => timers };
  }

  it("rings once, at the time that was set last", () => {
    const { clock, rung, set } = alarmOf();
    set(50);
    set(80);
    clock.advance(70);
    assert.deepEqual(rung, []);
    clock.advance(100);
    assert.deepEqual(rung, [80]);
    set(190);
    set(180);
    clock.advance(100);
    assert.deepEqual(rung, [80, 180]);
  });

  it("does not ring when it was called off, and can be set again", () => {
    const { clock, rung, set } = alarmOf();
    set(50);
    set(Number.POSITIVE_INFINITY);
    clock.advance(100);
    assert.deepEqual(rung, []);
    set(150);
    clock.advance(100);
    assert.deepEqual(rung, [150]);
  });

  it("sets no timer anew for each time that it is put off", () => {
    const { clock, rung, set, timers } = alarmOf();
    for (let tick = 0; tick < 100; tick++) {
      set(tick * 10 + 100);
      clock.advance(10);
    }
    assert.deepEqual(rung, []);
    assert.ok(timers() <= 15, `${timers()} timers`);
    clock.advance(100);
    assert.deepEqual(rung, [1090]);
  });
});
