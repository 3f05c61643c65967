import { quorumOf } from "../raft/core/members.ts";

/**
 * Whether those who answer are a quorum of the voters without one of them. The core asks only that they have
 * followed this leader once: one that has died since would take the group with it.
 */
export function isQuorumWithout(
  voters: readonly string[],
  removed: string,
  answering: ReadonlySet<string>,
): boolean {
  const left = voters.filter((id) => id !== removed);
  // Whether a group may be left without voters is the core's to say.
  if (left.length === voters.length || left.length === 0) return true;
  return left.filter((id) => answering.has(id)).length >= quorumOf(left);
}
