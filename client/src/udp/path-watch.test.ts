import assert from "node:assert/strict";
import { test } from "node:test";
import { PathWatch } from "./path-watch.ts";

/** What it says until the connection is lost, and when. */
function judged(watch: PathWatch): [string, number][] {
  const said: [string, number][] = [];
  while (said.at(-1)?.[0] !== "lost") {
    assert.equal(watch.judge(watch.wakeAt - 1), "stay");
    const now = watch.wakeAt;
    said.push([watch.judge(now), now]);
  }
  return said;
}

test("no answer: two new local ends, then the connection is lost", () => {
  const watch = new PathWatch();
  watch.asked(1000, 20);
  watch.asked(2000, 20);
  assert.deepEqual(judged(watch), [
    ["move", 2500],
    ["move", 4000],
    ["lost", 7000],
  ]);
});

test("a slow path is given more time, though not any time", () => {
  const waits = [undefined, 187, 250, 375, 2000].map((rtt) => {
    const watch = new PathWatch();
    watch.asked(0, rtt);
    return watch.wakeAt;
  });
  assert.deepEqual(waits, [1500, 1500, 2000, 3000, 3000]);
});

test("without a question there is nothing to wait for; whatever is heard is an answer", () => {
  const watch = new PathWatch();
  watch.refused(0);
  assert.equal(watch.wakeAt, Number.POSITIVE_INFINITY);
  watch.heard();
  watch.asked(0, 20);
  watch.judge(1500);
  watch.judge(3000);
  watch.heard();
  assert.equal(watch.judge(99_999), "stay");
  watch.asked(100_000, 20);
  assert.equal(judged(watch).length, 3);
});

test("refused, and not heard of since: lost soon", () => {
  const before = new PathWatch();
  before.refused(0);
  before.asked(1000, 20);
  assert.deepEqual(judged(before), [["lost", 1500]]);
  const after = new PathWatch();
  after.asked(0, 20);
  after.refused(400);
  after.refused(800);
  assert.deepEqual(judged(after), [["lost", 900]]);
});

test("a local end that cannot send is replaced at once, but not again and again", () => {
  const watch = new PathWatch();
  assert.deepEqual([watch.failed(), watch.failed()], ["move", "stay"]);
  watch.asked(0, 20);
  assert.deepEqual(judged(watch), [
    ["move", 1500],
    ["lost", 4500],
  ]);
});
