import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.ts";

/** Ticks of 50 ms that each begin `late` ms after they are due. */
function run(pace: Pace, from: number, count: number, late = 0): number {
  let at = 0;
  for (let tick = from; tick < from + count; tick++) {
    at = pace.dueAt(tick) + late;
    pace.made(tick, at, at + 1);
  }
  return at;
}

test("ticks are due at their rate, also when each is a little late", () => {
  const pace = new Pace(20, 0, 1_000);
  run(pace, 1, 100, 8);
  assert.equal(pace.dueAt(101), 1_000 + 101 * 50);
  assert.equal(pace.perMille, 1000);
  assert.equal(pace.news(), 0);
});

test("a short hiccup is made up, a long one given up", () => {
  const pace = new Pace(20, 0, 0);
  pace.made(1, 120, 121);
  assert.equal(pace.dueAt(2), 100, "two ticks behind: caught up with");
  pace.made(2, 10_000, 10_001);
  assert.equal(pace.dueAt(3), 10_001, "goes on from now");
});

test("overload slows time down and says so, once per step, and recovers", () => {
  const pace = new Pace(20, 0, 0);
  const told: number[] = [];
  let at = 0;
  for (let tick = 1; tick <= 200; tick++) {
    at = tick <= 100 ? at + 100 : Math.max(at + 50, pace.dueAt(tick));
    const news = pace.news();
    if (news !== 0) told.push(news);
    pace.made(tick, at, at + (tick <= 100 ? 100 : 1));
  }
  assert.ok(told.length > 2 && told.length < 30, String(told));
  assert.ok(Math.min(...told) < 560, "half speed");
  assert.equal(told.at(-1), 1000);
  assert.equal(pace.current, 0);
});

test("a tick that is made early moves those behind it, one that is late moves nothing", () => {
  const pace = new Pace(20, 0, 0);
  run(pace, 1, 1);
  pace.hasten(2, 70);
  assert.equal(pace.dueAt(2), 70);
  assert.equal(pace.dueAt(3), 120);
  pace.hasten(2, 90);
  assert.equal(pace.dueAt(3), 120);
  pace.made(2, 70, 71);
  assert.equal(pace.perMille, 1000);
});

test("a shard that was idle goes on at the tick of the moment, without dilation", () => {
  const pace = new Pace(20, 0, 0);
  pace.made(1, 50, 51);
  assert.equal(pace.tickAt(60_000, 2), 1_200);
  assert.equal(pace.tickAt(59_999.7, 2), 1_200, "a timer that came early counts");
  assert.equal(pace.tickAt(10, 5), 5);
  pace.rest(60_000);
  pace.made(1_200, 60_000, 60_001);
  assert.equal(pace.perMille, 1000);
});
