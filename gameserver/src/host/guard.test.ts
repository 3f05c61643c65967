import assert from "node:assert/strict";
import { test } from "node:test";
import { createGuard } from "./guard.ts";

/** What it has used up is the clock's time: a busy machine may give a test little of its CPU. */
const limitOf20 = () => createGuard(20, () => performance.now());

const forever = () => {
  for (;;);
};

test("a loop without end is cut off, and the next one runs", () => {
  assert.equal(limitOf20()(forever), "interrupted");
  let ran = false;
  // Under a limit that a busy machine does not reach.
  assert.equal(
    createGuard(60_000)(() => {
      ran = true;
    }),
    "done",
  );
  assert.ok(ran);
});

test("the limit cannot be caught", () => {
  const guard = limitOf20();
  let caught = false;
  const outcome = guard(() => {
    try {
      forever();
    } catch {
      caught = true;
    }
  });
  assert.equal(outcome, "interrupted");
  assert.equal(caught, false);
});

test("an error goes through", () => {
  assert.throws(
    () =>
      createGuard(1_000)(() => {
        throw new Error("mine");
      }),
    /mine/,
  );
});

test("limit 0 limits nothing", () => {
  const until = performance.now() + 30;
  assert.equal(
    createGuard(0)(() => {
      while (performance.now() < until);
    }),
    "done",
  );
});

test("what was cut off and has used little of its time stood still", () => {
  const readings = [0, 1, 100, 110];
  const guard = createGuard(20, () => readings.shift() ?? 0);
  assert.equal(guard(forever), "stalled");
  assert.equal(guard(forever), "interrupted");
});
