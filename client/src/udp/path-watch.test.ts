import assert from "node:assert/strict";
import { test } from "node:test";
import { PathWatch } from "./path-watch.ts";

/** What it says to so many probes in a row, of which each sends two packets. */
function judged(watch: PathWatch, probes: number, before = 0): string[] {
  return Array.from({ length: probes }, (_, i) => watch.judge(before + 2 * (i + 1)));
}

test("three probes without an answer: new local ends, then the connection is lost", () => {
  const said = ["stay", "stay", "move", "stay", "move", "stay", "lost"];
  assert.deepEqual(judged(new PathWatch(), 7), said);
});

test("the same count of probes is no new one", () => {
  const watch = new PathWatch();
  for (let i = 0; i < 9; i++) assert.equal(watch.judge(1), "stay");
});

test("whatever is heard starts the count anew", () => {
  const watch = new PathWatch();
  judged(watch, 5);
  watch.refused();
  watch.heard(10);
  assert.deepEqual(judged(watch, 3, 10), ["stay", "stay", "move"]);
});

test("refused, and not heard of since: lost after two probes", () => {
  const watch = new PathWatch();
  watch.refused();
  assert.deepEqual(judged(watch, 2), ["stay", "lost"]);
});

test("a local end that cannot send is replaced at once, and then with the next probe", () => {
  const watch = new PathWatch();
  assert.equal(watch.failed(), "move");
  assert.equal(watch.failed(), "stay");
  assert.deepEqual(judged(watch, 3), ["move", "stay", "lost"]);
});
