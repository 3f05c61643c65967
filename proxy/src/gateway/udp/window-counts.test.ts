import assert from "node:assert/strict";
import { test } from "node:test";
import { HandshakeBudget } from "./handshake-budget.ts";
import { WindowCounts } from "./window-counts.ts";

test("an address has so many in a second, and as many in the next", () => {
  const counts = new WindowCounts({ perAddress: 2, maxAddresses: 8, shared: 1 });
  counts.add("a", 0);
  assert.equal(counts.spent("a", 1), false);
  counts.add("a", 2);
  assert.equal(counts.spent("a", 999), true);
  assert.equal(counts.spent("b", 999), false);
  assert.equal(counts.spent("a", 1000), false);
});

test("addresses that find the table full share one count; those in it keep theirs", () => {
  const counts = new WindowCounts({ perAddress: 2, maxAddresses: 2, shared: 3 });
  for (const address of ["a", "b", "c", "d"]) counts.add(address, 0);
  assert.equal(counts.spent("c", 1), false);
  counts.add("e", 1);
  assert.equal(counts.spent("f", 2), true);
  assert.equal(counts.spent("a", 2), false);
  assert.equal(counts.spent("f", 1001), false);
});

function taken(budget: HandshakeBudget, address: string, wanted: number, now: number): number {
  let count = 0;
  for (let i = 0; i < wanted; i++) if (budget.take(address, now)) count += 1;
  return count;
}

test("one address alone uses up the rate, but leaves half a second's worth to others", () => {
  const budget = new HandshakeBudget({ perSecond: 100, now: 0 });
  assert.equal(taken(budget, "a", 1000, 0), 50);
  assert.equal(taken(budget, "a", 1000, 500), 50);
  assert.equal(taken(budget, "b", 1000, 500), 25);
  assert.equal(taken(budget, "c", 1000, 500), 25);
  assert.equal(taken(budget, "d", 1000, 500), 0);
});

test("a budget of one a second still lets somebody in", () => {
  const budget = new HandshakeBudget({ perSecond: 1, now: 0 });
  assert.equal(taken(budget, "a", 5, 0), 1);
  assert.equal(taken(budget, "a", 5, 1000), 1);
});
