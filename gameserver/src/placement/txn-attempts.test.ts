import assert from "node:assert/strict";
import { test } from "node:test";
import { TXN_PAUSES } from "./pauses.ts";
import { TxnAttempts } from "./txn-attempts.ts";

test("one at a time, and only its own answer ends it", () => {
  const attempts = new TxnAttempts();
  assert.ok(attempts.isDue(0));
  assert.equal(attempts.next, 1);
  assert.equal(attempts.begin(), 1);
  assert.ok(!attempts.isDue(1e9));
  assert.equal(attempts.nextAt, Number.POSITIVE_INFINITY);
  assert.ok(!attempts.answered(0) && !attempts.answered(2));
  assert.ok(attempts.answered(1));
  assert.ok(!attempts.answered(1), "it was answered");
  assert.ok(attempts.isDue(0));
  assert.equal(attempts.begin(), 2);
});

test("pauses grow with failures in a row, until something else is tried", () => {
  const attempts = new TxnAttempts();
  const { first } = TXN_PAUSES;
  attempts.pause(1000);
  assert.equal(attempts.nextAt, 1000 + first);
  attempts.pause(1000);
  assert.equal(attempts.nextAt, 1000 + 2 * first);
  attempts.hurry(1000);
  assert.ok(attempts.isDue(1000));
  attempts.pause(1000);
  assert.equal(attempts.nextAt, 1000 + 4 * first, "hurry forgets no failure");
  const late = attempts.begin();
  attempts.restart(2000);
  assert.ok(attempts.isDue(2000) && !attempts.isDue(1999));
  assert.ok(!attempts.answered(late), "of what is not tried any more");
  attempts.pause(2000);
  assert.equal(attempts.nextAt, 2000 + first);
});
