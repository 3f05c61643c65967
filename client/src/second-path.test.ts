import assert from "node:assert/strict";
import { test } from "node:test";
import { SecondPath } from "./second-path.ts";

const UDP = { port: 2555, key: new Uint8Array(32) };

/** Tries, at the time it is due; the answer comes, and the welcome. */
function takenAt(path: SecondPath, now: number): void {
  path.welcomed(UDP, now);
  assert.equal(path.begin(path.probeAt), UDP);
  path.answered();
  path.welcomed(UDP, now);
  assert.ok(path.taken && !path.moving);
}

test("it is tried at once after a welcome that names it, and nowhere else", () => {
  const path = new SecondPath(true);
  path.welcomed(undefined, 5);
  assert.equal(path.probeAt, Number.POSITIVE_INFINITY);
  path.welcomed(UDP, 6);
  assert.equal(path.probeAt, 6);
  assert.equal(path.begin(5), undefined);
  assert.equal(path.begin(6), UDP);
  path.welcomed(UDP, 7);
  assert.equal(path.probeAt, Number.POSITIVE_INFINITY, "one try at a time");
  const unwanted = new SecondPath(false);
  unwanted.welcomed(UDP, 0);
  assert.equal(unwanted.probeAt, Number.POSITIVE_INFINITY);
});

test("without an answer the pause doubles, up to ten minutes", () => {
  const path = new SecondPath(true);
  path.welcomed(UDP, 0);
  const pauses = Array.from({ length: 7 }, () => {
    const now = path.probeAt;
    path.begin(now);
    path.unanswered(now);
    return (path.probeAt - now) / 1000;
  });
  assert.deepEqual(pauses, [30, 60, 120, 240, 480, 600, 600]);
});

test("the pause holds over reconnects", () => {
  const path = new SecondPath(true);
  path.welcomed(UDP, 0);
  path.begin(0);
  path.unanswered(0);
  path.lost(false, 10);
  path.welcomed(UDP, 20);
  assert.equal(path.probeAt, 30_000);
});

test("a path that broke soon counts as a failure, one that held does not", () => {
  const path = new SecondPath(true);
  takenAt(path, 0);
  path.lost(false, 59_999);
  path.welcomed(UDP, 60_000);
  assert.equal(path.probeAt, 59_999 + 30_000);
  takenAt(path, 100_000);
  path.lost(false, 160_000);
  path.welcomed(UDP, 160_001);
  assert.equal(path.probeAt, 160_001);
});

test("a server that closes says nothing against the path, unless it never was welcome there", () => {
  const path = new SecondPath(true);
  takenAt(path, 0);
  path.lost(true, 1);
  path.welcomed(UDP, 2);
  assert.equal(path.begin(2), UDP);
  path.answered();
  path.lost(true, 3);
  path.welcomed(UDP, 4);
  assert.equal(path.probeAt, 30_003);
});
