import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DueQueue } from "./due-queue.ts";

function takeAll(queue: DueQueue<number>, now: number): number[] {
  const taken: number[] = [];
  for (let due = queue.take(now); due !== undefined; due = queue.take(now)) taken.push(due.item);
  return taken;
}

test("items come by time, those of one time in the order they were added, none too early", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.nat(20), (times, middle) => {
      const queue = new DueQueue<number>();
      times.forEach((at, index) => {
        queue.add(at, index);
      });
      const sorted = times
        .map((at, index) => ({ at, index }))
        .sort((a, b) => a.at - b.at || a.index - b.index);
      const due = sorted.filter(({ at }) => at <= middle).map(({ index }) => index);
      assert.deepEqual(takeAll(queue, middle), due);
      assert.equal(queue.size, times.length - due.length);
      assert.equal(queue.nextAt, sorted[due.length]?.at);
      assert.deepEqual(
        takeAll(queue, 20),
        sorted.slice(due.length).map(({ index }) => index),
      );
    }),
  );
});

test("a cleared queue is empty", () => {
  const queue = new DueQueue<number>();
  queue.add(1, 1);
  queue.clear();
  assert.deepEqual([queue.nextAt, queue.size, queue.take(9)], [undefined, 0, undefined]);
});
