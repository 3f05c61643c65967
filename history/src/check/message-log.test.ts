import assert from "node:assert/strict";
import { test } from "node:test";
import { chained, EMPTY_CHAIN } from "../hash.ts";
import { MessageLog } from "./message-log.ts";

/** The chain of messages with the hashes 1 to `n`. */
function chainOf(n: number): number {
  let chain = EMPTY_CHAIN;
  for (let i = 1; i <= n; i++) chain = chained(chain, i);
  return chain;
}

test("the oldest messages are forgotten, their chain goes on", () => {
  const log = new MessageLog({ maxKept: 100 });
  for (let n = 1; n <= 5_000; n++) log.add(n, n * 10);
  assert.equal(log.last, 5_000);
  assert.equal(log.chain(5_000), chainOf(5_000));
  assert.equal(log.hash(5_000), 5_000);
  assert.equal(log.firstAt(5_000), 50_000);
  assert.equal(log.whichIs(4_990), 4_990);
  assert.deepEqual([log.hash(1), log.chain(1), log.whichIs(1)], [undefined, undefined, undefined]);
});

test("a rollback cuts off what it undid; one to before what is kept leaves the chain unknown", () => {
  const log = new MessageLog({ maxKept: 100 });
  for (let n = 1; n <= 50; n++) log.add(n, n);
  log.truncate(20);
  assert.deepEqual([log.last, log.chain(20), log.hash(21)], [20, chainOf(20), undefined]);
  log.add(21, 21);
  assert.equal(log.chain(21), chainOf(21));
  for (let n = 22; n <= 5_000; n++) log.add(n, n);
  log.truncate(3);
  log.add(4, 4);
  assert.deepEqual(
    [log.last, log.hash(4), log.chain(3), log.chain(4)],
    [4, 4, undefined, undefined],
  );
});

test("who knows the chain says so, and what follows is known from there", () => {
  const log = new MessageLog({ known: false });
  for (let n = 1; n <= 5; n++) log.add(n, n);
  assert.equal(log.chain(5), undefined);
  log.anchor(3, chainOf(3));
  assert.deepEqual([log.chain(2), log.chain(3), log.chain(5)], [undefined, chainOf(3), chainOf(5)]);
  log.anchor(0, EMPTY_CHAIN);
  assert.equal(log.chain(1), chainOf(1));
});
