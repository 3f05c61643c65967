import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../sim/seeded-random.ts";
import { ApiserverChoice } from "./apiserver-choice.ts";

function choiceOf(...apiservers: string[]): ApiserverChoice {
  return new ApiserverChoice(
    { apiservers, minPauseMs: 100, maxPauseMs: 1000, patienceMs: 500 },
    { random: new SeededRandom("choice") },
  );
}

test("a round tries all of them at once, and pauses grow from round to round", () => {
  const choice = choiceOf("a", "b", "c");
  const pauses: number[] = [];
  for (let round = 0; round < 6; round++) {
    const tried: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { node, pauseMs, patienceMs } = choice.next();
      tried.push(node);
      if (i === 0) pauses.push(pauseMs);
      else assert.equal(pauseMs, 0);
      assert.equal(patienceMs, Math.min(6000, 500 * 2 ** round));
      assert.equal(choice.failed(), undefined);
    }
    assert.deepEqual(tried.sort(), ["a", "b", "c"]);
  }
  const [first, ...others] = pauses;
  assert.equal(first, 0);
  for (const [i, pause] of others.entries()) {
    const longest = Math.min(1000, 100 * 2 ** i);
    assert.ok(pause >= longest / 2 && pause <= longest, `${pause} of ${longest}`);
  }
});

test("a link begins anew, and what was lost comes last", () => {
  const choice = choiceOf("a", "b", "c");
  choice.failed();
  const { node } = choice.next();
  choice.linked(0);
  choice.lost(5_000);
  const { node: after, pauseMs, patienceMs } = choice.next();
  assert.notEqual(after, node);
  assert.deepEqual([pauseMs, patienceMs], [0, 500]);
  choice.failed();
  choice.failed();
  assert.equal(choice.next().node, node);
});

test("a refusal is told when all of them refuse, and not while one is only away", () => {
  const choice = choiceOf("a", "b");
  const no = new Error("no");
  assert.equal(choice.failed(no), undefined);
  assert.equal(choice.failed(), undefined);
  assert.equal(choice.failed(no), undefined);
  assert.equal(choice.failed(no), no);
});

test("those that were given stay known, others come and go", () => {
  const choice = choiceOf("a");
  choice.learn(["b", "c"]);
  assert.deepEqual(choice.known, ["a", "b", "c"]);
  choice.failed();
  assert.equal(choice.next().node, "b");
  choice.learn(["c"]);
  assert.deepEqual(choice.known, ["a", "c"]);
  assert.equal(choice.next().node, "a");
  choice.learn(Array.from({ length: 100 }, (_, i) => `n-${i}`));
  assert.equal(choice.known.length, 64);
  assert.throws(() => choiceOf(), RangeError);
});

test("one that cannot serve is left, but not in circles, and not for nobody", () => {
  assert.equal(choiceOf("a").mayLeave(1e9), false);
  const choice = choiceOf("a", "b");
  let now = 0;
  const stays: number[] = [];
  for (let i = 0; i < 7; i++) {
    choice.linked(now);
    const from = now;
    while (!choice.mayLeave(now)) now += 500;
    stays.push(now - from);
    choice.lost(now);
  }
  assert.deepEqual(stays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  choice.linked(now);
  now += 600_000;
  assert.equal(choice.mayLeave(now), true);
  choice.linked(now);
  assert.equal(choice.mayLeave(now + 1000), true);
});

test("links that end at once, one after another, make pauses; one that lasts ends them", () => {
  for (const names of [["a"], ["a", "b"]]) {
    const choice = choiceOf(...names);
    const pauses: number[] = [];
    const linkFor = (ms: number) => {
      choice.linked(0);
      choice.lost(ms);
      pauses.push(choice.next().pauseMs);
    };
    for (let i = 0; i < 8; i++) linkFor(20);
    const [first, ...others] = pauses;
    assert.equal(first, 0, "one that ended soon may have been a coincidence");
    for (const [i, pause] of others.entries()) {
      const longest = Math.min(1000, 100 * 2 ** i);
      assert.ok(pause >= longest / 2 && pause <= longest, `${pause} of ${longest}`);
    }
    linkFor(1_000);
    assert.equal(pauses.at(-1), 0);
  }
});
