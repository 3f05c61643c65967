import assert from "node:assert/strict";
import { test } from "node:test";
import { CHALLENGE_INTERVAL_MS } from "./limits.ts";
import { PathCheck } from "./path-check.ts";

function check(): PathCheck {
  let next = 0;
  return new PathCheck((bytes) => new Uint8Array(bytes).fill(++next));
}

test("a path is moved to when its challenge is answered from there", () => {
  const paths = check();
  paths.came("there", 100, true);
  assert.ok(paths.due(40, 0));
  const { path, challenge } = paths.challenging(0);
  assert.equal(path, "there");
  assert.equal(paths.answered(challenge, "elsewhere"), false);
  assert.equal(paths.answered(new Uint8Array(8).fill(99), "there"), false);
  assert.equal(paths.answered(challenge, "there"), true);
  assert.equal(paths.answered(challenge, "there"), false, "once");
});

test("after a move the next place is asked at once", () => {
  const paths = check();
  paths.came("there", 100, true);
  assert.equal(paths.answered(paths.challenging(0).challenge, "there"), true);
  paths.came("further", 100, true);
  assert.equal(paths.due(40, 1), true);
});

test("a path gets one challenge a second, and no more bytes than came from it", () => {
  const paths = check();
  paths.came("there", 30, true);
  assert.equal(paths.due(40, 0), false);
  paths.came("there", 30, true);
  assert.equal(paths.due(40, 0), true);
  const first = paths.challenging(0);
  paths.sent(40);
  paths.came("there", 10, true);
  assert.equal(paths.due(40, CHALLENGE_INTERVAL_MS), false, "70 bytes came, 40 went");
  paths.came("there", 10, true);
  assert.equal(paths.due(40, CHALLENGE_INTERVAL_MS - 1), false);
  assert.equal(paths.due(40, CHALLENGE_INTERVAL_MS), true);
  assert.deepEqual(
    paths.challenging(CHALLENGE_INTERVAL_MS),
    first,
    "the same until it is answered",
  );
  assert.equal(paths.due(40, 10 * CHALLENGE_INTERVAL_MS), false, "nothing came since");
});

test("a packet that is not the newest makes no path, and one from the old path ends the doubt", () => {
  const paths = check();
  paths.came("there", 100, false);
  assert.equal(paths.due(40, 0), false);
  paths.came("there", 100, true);
  paths.settled();
  assert.equal(paths.due(40, 0), false);
  paths.came("there", 100, true);
  const { challenge } = paths.challenging(0);
  paths.settled();
  assert.equal(paths.answered(challenge, "there"), false, "the client is where it was");
  paths.came("there", 100, true);
  paths.came("third", 100, true);
  assert.equal(paths.answered(challenge, "there"), false, "another one is in question");
  assert.equal(paths.answered(challenge, "third"), false, "it was never challenged");
});
