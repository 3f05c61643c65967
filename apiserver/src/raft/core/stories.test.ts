import assert from "node:assert/strict";
import { test } from "node:test";
import { Group } from "./testing/group.ts";

/** Lines: node, role, term, committed/last entry, commands applied. */
function shows(group: Group, picture: string): void {
  const lines = picture.trim().split("\n");
  assert.equal(group.picture(), lines.map((line) => line.trim()).join("\n"));
}

test("a leader that is cut off is replaced, and what only it had is gone", () => {
  const group = new Group("a", "b", "c");
  group.get("a").campaign();
  group.settle();
  group.propose("a", "x");
  group.settle();
  shows(
    group,
    `a leader 2 3/3 x
     b follower 2 3/3 x
     c follower 2 3/3 x`,
  );

  group.cutOff("a");
  group.propose("a", "lost");
  group.settle();
  // Long enough for any follower's timeout, and for the leader to see that no quorum answers.
  group.tick(20);
  const leader = ["b", "c"].find((id) => group.get(id).status.role === "leader") ?? "nobody";
  group.propose(leader, "y");
  group.settle();
  assert.deepEqual(group.applied.get(leader), ["x", "y"]);
  assert.notEqual(group.get("a").status.role, "leader");
  assert.equal(group.get("a").status.term, 2);

  group.cutOff();
  group.tick(4);
  for (const id of ["a", "b", "c"]) assert.deepEqual(group.applied.get(id), ["x", "y"]);
});

test("a new node comes in by checkpoint, is promoted, and takes over", () => {
  const group = new Group("a");
  group.get("a").campaign();
  group.settle();
  for (const text of ["x", "y"]) group.propose("a", text);
  group.settle();
  group.compact("a");
  group.join("d");
  assert.equal(group.get("a").changeMembers({ type: "add-learner", id: "d" }).ok, true);
  group.tick(4);
  shows(
    group,
    `a leader 2 5/5 xy
     d follower 2 5/5 xy`,
  );

  assert.equal(group.get("a").changeMembers({ type: "promote", id: "d" }).ok, true);
  group.tick(2);
  assert.equal(group.get("a").transferLeadership("d").ok, true);
  group.settle();
  shows(
    group,
    `a follower 3 7/7 xy
     d leader 3 7/7 xy`,
  );

  assert.equal(group.get("d").changeMembers({ type: "remove", id: "a" }).ok, true);
  group.tick(1);
  group.propose("d", "z");
  group.settle();
  assert.deepEqual(group.applied.get("d"), ["x", "y", "z"]);
  // a has not heard of it, asks for an election, and disturbs nobody.
  group.tick(50);
  assert.deepEqual([group.get("d").status.role, group.get("d").status.term], ["leader", 3]);
});

test("two of three down: nothing is committed or read, and all goes on when one is back", () => {
  const group = new Group("a", "b", "c");
  group.get("a").campaign();
  group.settle();
  group.cutOff("b", "c");
  group.propose("a", "x");
  group.get("a").readIndex(1);
  group.settle();
  assert.deepEqual([group.applied.get("a"), group.get("a").status.pendingReads], [[], 1]);
  group.cutOff("c");
  group.tick(6);
  assert.deepEqual([group.applied.get("a"), group.get("a").status.pendingReads], [["x"], 0]);
  assert.deepEqual(group.applied.get("b"), ["x"]);
});

test("a first leader that ends before it reached all: the rest cannot elect without it, and do with it", () => {
  const group = Group.beginning("a", "b", "c");
  group.cutOff("c");
  group.get("a").campaign();
  group.settle();
  group.propose("a", "x");
  group.settle();
  // "c" may be new, or have lost a log in which there was more than "b" has: nobody can tell.
  group.cutOff("a");
  group.tick(200);
  assert.deepEqual(
    ["b", "c"].map((id) => group.get(id).status.leader),
    [undefined, undefined],
  );
  assert.equal(group.get("c").status.newLog, true);
  assert.equal(group.get("b").status.term, 2, "the questions raise no term");

  group.cutOff();
  group.tick(40);
  assert.equal(group.get("c").status.newLog, false);
  group.cutOff("a");
  group.tick(40);
  group.propose(["b", "c"].find((id) => group.get(id).status.role === "leader") ?? "none", "y");
  group.settle();
  assert.deepEqual(group.applied.get("c"), ["x", "y"]);
});
