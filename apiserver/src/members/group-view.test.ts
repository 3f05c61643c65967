import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressBook } from "./address-book.ts";
import type { GroupStatus } from "./group-calls.ts";
import { groupView } from "./group-view.ts";

function status(changes: Partial<GroupStatus>): GroupStatus {
  return {
    ...{ node: "a", role: "follower", term: 3, commit: 10, applied: 9, lastIndex: 12 },
    ...{ checkpointIndex: 0, logBytes: 100, voters: ["a", "b"], learners: ["c"], pending: false },
    followers: [],
    ...changes,
  };
}
const book = new AddressBook(new Map([["b", { host: "::1", port: 5 }]]));

test("the newest leader's view counts; those that do not answer have no figures of their own", () => {
  const old = status({ node: "a", role: "leader", term: 2, voters: ["a", "b", "d"] });
  const leader = status({
    ...{ node: "b", role: "leader" },
    followers: [
      { id: "a", voter: true, match: 7, active: true },
      { id: "c", voter: false, match: 0, active: false, checkpointOffset: 5 },
    ],
  });
  const view = groupView("a", [old, leader], book);
  assert.deepEqual([view.leader, view.term, view.lastIndex], ["b", 3, 12]);
  const [a, b, c] = view.members;
  assert.deepEqual([a?.lag, a?.reachable, a?.applied, a?.term], [5, true, 9, 2]);
  assert.deepEqual([b?.leads, b?.lag, b?.address], [true, 0, "[::1]:5"]);
  assert.deepEqual(
    [c?.state, c?.reachable, c?.checkpointBytes, c?.applied],
    ["learner", false, 5, undefined],
  );
  assert.equal(view.members.length, 3);
});

test("without a leader there is the view of the one that answers, and no lag", () => {
  const view = groupView("a", [status({})], book);
  assert.equal(view.leader, undefined);
  assert.ok(
    view.members.every(({ lag, reachable }) => lag === undefined && reachable === undefined),
  );
});
