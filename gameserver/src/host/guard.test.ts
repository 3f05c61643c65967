import assert from "node:assert/strict";
import { test } from "node:test";
import { createGuard } from "./guard.ts";

const forever = () => {
  for (;;);
};

test("a loop without end is cut off, and the next one runs", () => {
  const guard = createGuard(20);
  assert.equal(guard(forever), "interrupted");
  let ran = false;
  assert.equal(
    guard(() => {
      ran = true;
    }),
    "done",
  );
  assert.ok(ran);
});

test("the limit cannot be caught", () => {
  const guard = createGuard(20);
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
