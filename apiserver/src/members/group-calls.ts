import { decodeCbor, encodeCbor, withWireIntegers } from "@atlasnet/core";
import * as v from "valibot";
import type { RaftStatus } from "../raft/core/types.ts";

/** What apiservers ask each other about their group, as bytes: one CBOR map each. */

export const GROUP_STATUS = "group-status";
export const GROUP_CHANGE = "group-change";
export const GROUP_TRANSFER = "group-transfer";
export const GROUP_MEMBERS = "group-members";

const SCAN_LIMITS = { maxDepth: 6, maxItems: 2_000 } as const;

const followerSchema = v.object({
  id: v.string(),
  voter: v.boolean(),
  match: v.number(),
  active: v.boolean(),
  checkpointOffset: v.optional(v.number()),
});

/** A member as it sees itself; fields of later versions are passed over. */
export const statusSchema = v.object({
  node: v.string(),
  role: v.picklist(["leader", "follower", "candidate", "pre-candidate"]),
  term: v.number(),
  commit: v.number(),
  applied: v.number(),
  lastIndex: v.number(),
  checkpointIndex: v.number(),
  /** Of all segments on its disk. */
  logBytes: v.number(),
  voters: v.array(v.string()),
  learners: v.array(v.string()),
  pending: v.boolean(),
  leader: v.optional(v.string()),
  transferTo: v.optional(v.string()),
  /** Empty unless it leads. */
  followers: v.array(followerSchema),
});
export type GroupStatus = v.InferOutput<typeof statusSchema>;

export const changeSchema = v.object({
  type: v.picklist(["add-learner", "promote", "remove"]),
  id: v.string(),
});
export type GroupChange = v.InferOutput<typeof changeSchema>;

export const transferSchema = v.object({ to: v.optional(v.string()) });
export const transferredSchema = v.object({ to: v.string() });
export const membersSchema = v.object({ members: v.array(v.string()) });

export function encodeBody(value: object): Uint8Array {
  // The encoder's buffer is shared, and links may keep what they are given.
  return encodeCbor(withWireIntegers(value)).slice();
}

/** Undefined: it is not that. */
export function decodeBody<T>(
  schema: v.GenericSchema<unknown, T>,
  bytes: Uint8Array,
): T | undefined {
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  if (!decoded.ok) return undefined;
  const parsed = v.safeParse(schema, decoded.value);
  return parsed.success ? parsed.output : undefined;
}

export function groupStatusOf(status: RaftStatus, logBytes: number): GroupStatus {
  const { id, role, term, commit, applied, lastIndex, checkpointIndex } = status;
  const { members, membersPending, leader, transferTo, followers } = status;
  return {
    ...{ node: id, role, term, commit, applied, lastIndex, checkpointIndex, logBytes },
    ...{ voters: [...members.voters], learners: [...members.learners], pending: membersPending },
    ...(leader !== undefined && { leader }),
    ...(transferTo !== undefined && { transferTo }),
    followers: followers.map((follower) => ({
      ...{ id: follower.id, voter: follower.voter, match: follower.match, active: follower.active },
      ...(follower.checkpointOffset !== undefined && {
        checkpointOffset: follower.checkpointOffset,
      }),
    })),
  };
}
