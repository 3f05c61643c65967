import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { Schedule } from "./schedule.ts";

function taken(schedule: Schedule, now: number, until = Number.POSITIVE_INFINITY, most = 10_000) {
  const all: { client: number; due: number }[] = [];
  const count = schedule.take(now, until, most, (client, due) => all.push({ client, due }));
  assert.equal(count, all.length);
  return all;
}

test("every client is due once in every period, at the same phase, in the order of time", () => {
  const schedule = new Schedule({ clients: 50, rate: 10, startAt: 1_000 }, new SeededRandom(1));
  const all = taken(schedule, 1_000 + 499.999);
  assert.equal(all.length, 250);
  assert.deepEqual(
    all.map(({ due }) => due),
    all.map(({ due }) => due).sort((a, b) => a - b),
  );
  for (let client = 0; client < 50; client++) {
    const dues = all.filter((one) => one.client === client).map(({ due }) => due);
    const [first = 0] = dues;
    assert.ok(first >= 1_000 && first < 1_100);
    dues.forEach((due, n) => {
      assert.ok(Math.abs(due - first - n * 100) < 1e-6);
    });
  }
});

test("what is late keeps the time when it was due", () => {
  const schedule = new Schedule({ clients: 1, rate: 1, startAt: 0 }, { float: () => 0.25 });
  assert.equal(schedule.nextAt, 250);
  assert.deepEqual(
    taken(schedule, 3_000).map(({ due }) => due),
    [250, 1_250, 2_250],
  );
  assert.equal(schedule.nextAt, 3_250);
});

test("nothing is handed out before it is due, at the end, or above the most", () => {
  const schedule = new Schedule({ clients: 4, rate: 2, startAt: 0 }, { float: () => 0.5 });
  assert.deepEqual(taken(schedule, 249), []);
  assert.equal(taken(schedule, 250, 250).length, 0);
  assert.equal(taken(schedule, 1_000, 2_000, 3).length, 3);
  assert.equal(taken(schedule, 1_000, 2_000).length, 5);
});

test("what was not taken is counted, as if it had been", () => {
  const options = { clients: 7, rate: 3, startAt: 10 };
  const counted = new Schedule(options, new SeededRandom(2));
  const other = new Schedule(options, new SeededRandom(2));
  taken(counted, 400, 5_000, 5);
  taken(other, 400, 5_000, 5);
  assert.equal(counted.countUntil(5_000), taken(other, 5_000, 5_000).length);
  assert.equal(other.countUntil(5_000), 0);
});

test("without clients nothing is ever due", () => {
  const schedule = new Schedule({ clients: 0, rate: 1, startAt: 0 }, { float: () => 0 });
  assert.equal(schedule.nextAt, Number.POSITIVE_INFINITY);
  assert.deepEqual(taken(schedule, 1e9), []);
});

test("the same seed has the same phases, another one others", () => {
  const options = { clients: 5, rate: 1, startAt: 0 };
  const dues = (seed: number) => taken(new Schedule(options, new SeededRandom(seed)), 999);
  assert.deepEqual(dues(3), dues(3));
  assert.notDeepEqual(dues(3), dues(4));
});
