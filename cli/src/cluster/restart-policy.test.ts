import assert from "node:assert/strict";
import { test } from "node:test";
import { RestartHistory } from "./restart-policy.ts";

const POLICY = { firstWaitMs: 100, longestWaitMs: 300, maxRestarts: 4, windowMs: 60_000 };

test("waits grow up to the longest; one death too many in the window is the last", () => {
  const history = new RestartHistory(POLICY);
  const waits = [0, 1, 2, 3].map((now) => history.died(now));
  assert.deepEqual(waits, [
    { restart: true, waitMs: 100, count: 1 },
    { restart: true, waitMs: 200, count: 2 },
    { restart: true, waitMs: 300, count: 3 },
    { restart: true, waitMs: 300, count: 4 },
  ]);
  assert.deepEqual(history.died(59_999), { restart: false });
  assert.equal(history.total, 4);
});

test("what lies further back than the window does not count", () => {
  const history = new RestartHistory(POLICY);
  for (const now of [0, 1, 2, 3]) history.died(now);
  assert.deepEqual(history.died(60_002), { restart: true, waitMs: 200, count: 2 });
  assert.equal(history.total, 5);
});

test("none at all", () => {
  assert.deepEqual(new RestartHistory({ ...POLICY, maxRestarts: 0 }).died(0), { restart: false });
});
