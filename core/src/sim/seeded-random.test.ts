import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "./seeded-random.ts";

const take = (random: SeededRandom, n: number) => Array.from({ length: n }, () => random.uint32());

test("the same seed gives the same numbers, another seed others", () => {
  assert.deepEqual(take(new SeededRandom(7), 8), take(new SeededRandom("7"), 8));
  assert.notDeepEqual(take(new SeededRandom(7), 8), take(new SeededRandom(8), 8));
});

test("the numbers of a seed never change between versions", () => {
  assert.deepEqual(take(new SeededRandom("atlas"), 3), GOLDEN);
});

test("int covers its range, float stays below 1, and both are spread", () => {
  const random = new SeededRandom(1);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 6000; i++) {
    const index = random.int(0, 5);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, `counts ${counts}`);
  let sum = 0;
  for (let i = 0; i < 1000; i++) {
    const float = random.float();
    assert.ok(float >= 0 && float < 1);
    sum += float;
  }
  assert.ok(sum > 450 && sum < 550, `sum ${sum}`);
  assert.throws(() => random.int(2, 1), RangeError);
});

test("a fork goes its own way", () => {
  const one = new SeededRandom(3);
  const two = new SeededRandom(3);
  take(one.fork("network"), 5);
  two.fork("network");
  assert.deepEqual(take(one, 4), take(two, 4));
  assert.equal(new SeededRandom(3).bytes(9).length, 9);
});

const GOLDEN = [1391801265, 4133258704, 1762868744];
