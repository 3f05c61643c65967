import assert from "node:assert/strict";
import { test } from "node:test";
import type { FollowerStatus } from "../raft/core/types.ts";
import { successorOf } from "./hand-over.ts";

function follower(id: string, match: number, some: Partial<FollowerStatus> = {}): FollowerStatus {
  return {
    id,
    match,
    voter: true,
    active: true,
    mode: "replicate",
    next: match + 1,
    inflightMessages: 0,
    inflightBytes: 0,
    checkpointOffset: undefined,
    ...some,
  };
}

test("a voter that is not counted yet is better than none, one that has nothing is not", () => {
  const early = [
    follower("behind", 3, { active: false }),
    follower("near", 7, { active: false }),
    follower("new", 0, { active: false }),
  ];
  assert.equal(successorOf({ role: "leader", followers: early }), "near");
  assert.equal(successorOf({ role: "leader", followers: [follower("new", 0)] }), undefined);
});

test("the voter that answers and lacks least takes over", () => {
  const followers = [
    follower("slow", 5),
    follower("silent", 9, { active: false }),
    follower("learner", 9, { voter: false }),
    follower("good", 8),
  ];
  assert.equal(successorOf({ role: "leader", followers }), "good");
  assert.equal(successorOf({ role: "follower", followers }), undefined);
  assert.equal(successorOf({ role: "leader", followers: [] }), undefined);
});
