import * as v from "valibot";
import type { GroupView, MemberView } from "../ports.ts";
import { jsonRoute, type Route } from "../route.ts";
import { type RouteParts, wired } from "../route-parts.ts";
import { nodeName } from "../schemas.ts";

const memberSchema = v.strictObject({
  node: v.string(),
  state: v.picklist(["joining", "learner", "voter"]),
  leads: v.boolean(),
  address: v.optional(v.string()),
  reachable: v.optional(v.boolean()),
  lag: v.optional(v.number()),
  checkpointBytes: v.optional(v.number()),
  term: v.optional(v.number()),
  commit: v.optional(v.number()),
  applied: v.optional(v.number()),
  logBytes: v.optional(v.number()),
});

const groupSchema = v.strictObject({
  node: v.string(),
  leader: v.optional(v.string()),
  term: v.number(),
  commit: v.number(),
  lastIndex: v.number(),
  checkpointIndex: v.number(),
  changing: v.boolean(),
  transferTo: v.optional(v.string()),
  members: v.array(memberSchema),
});

/** host:port; what is behind it the group finds out. */
const addressText = v.pipe(v.string(), v.minLength(3), v.maxLength(262));
const PART = "group of apiservers";

/** The group that the apiservers form, and changes of it. */
export function raftRoutes({ raft }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/raft",
      name: "raft.show",
      summary:
        "The group of the apiservers as its leader sees it; without a leader as this one does.",
      role: "read",
      answer: groupSchema,
      handle: async () => groupJson(await wired(raft, PART).view()),
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/raft/members",
      name: "raft.add",
      summary:
        "Adds an apiserver as a learner, and makes it a voter once it has caught up. While the answer says learner, send it again.",
      role: "admin",
      changes: true,
      body: v.strictObject({ node: nodeName, address: addressText }),
      answer: memberSchema,
      handle: async ({ body: { node, address } }) =>
        memberJson(await wired(raft, PART).add(node, address)),
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/raft/members/{node}",
      name: "raft.remove",
      summary: "Removes an apiserver from the group: it ends, and cannot come back with its log.",
      role: "admin",
      changes: true,
      params: v.strictObject({ node: nodeName }),
      answer: v.strictObject({ node: v.string() }),
      handle: async ({ params: { node } }) => {
        await wired(raft, PART).remove(node);
        return { node };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/raft/transfer",
      name: "raft.transfer",
      summary: "Hands leadership to another voter; without a name to whoever can lead soonest.",
      role: "admin",
      changes: true,
      body: v.strictObject({ node: v.optional(nodeName) }),
      answer: v.strictObject({ leader: v.string() }),
      handle: async ({ body: { node } }) => ({ leader: await wired(raft, PART).transfer(node) }),
    }),
  ];
}

function groupJson({ leader, transferTo, members, ...rest }: GroupView) {
  return {
    ...rest,
    ...(leader !== undefined && { leader }),
    ...(transferTo !== undefined && { transferTo }),
    members: members.map(memberJson),
  };
}

type MemberJson = v.InferOutput<typeof memberSchema>;

function memberJson({ node, state, leads, ...rest }: MemberView): MemberJson {
  const { address, reachable, lag, checkpointBytes, term, commit, applied, logBytes } = rest;
  return {
    ...{ node, state, leads },
    ...(address !== undefined && { address }),
    ...(reachable !== undefined && { reachable }),
    ...(lag !== undefined && { lag }),
    ...(checkpointBytes !== undefined && { checkpointBytes }),
    ...(term !== undefined && { term }),
    ...(commit !== undefined && { commit }),
    ...(applied !== undefined && { applied }),
    ...(logBytes !== undefined && { logBytes }),
  };
}
