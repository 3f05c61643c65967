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
