import { LOG_LEVELS, type LogLevel } from "@atlasnet/core";
import { version } from "@atlasnet/core/node";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { downloadRoute, jsonRoute, ROLES, type Route, uploadRoute } from "../route.ts";
import { type RouteParts, wired } from "../route-parts.ts";
import { revisionNumber } from "../schemas.ts";

const levelSchema = v.strictObject({ level: v.picklist(LOG_LEVELS) });

/** The apiserver itself: status, backup, log, audit. */
export function systemRoutes(parts: RouteParts): Route[] {
  const { store, node, audit } = parts;
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/status",
      name: "status.show",
      summary: "Who leads, as far as this apiserver knows; answered also without a quorum.",
      role: "read",
      answer: v.strictObject({
        node: v.string(),
        version: v.string(),
        /** Absent while nobody is known to lead. */
        leader: v.optional(v.strictObject({ node: v.string(), term: v.number() })),
        /** As far as this apiserver has come. */
        revision: revisionNumber,
        members: v.array(
          v.strictObject({
            node: v.string(),
            voter: v.boolean(),
            address: v.optional(v.string()),
            reachable: v.optional(v.boolean()),
          }),
        ),
      }),
      handle: async () => {
        const leader = store.leader();
        const { revision } = await store.range({ prefix: "", limit: 1, consistency: "local" });
        const members = parts.cluster?.members() ?? [{ node, voter: true }];
        return {
          node,
          version,
          ...(leader === undefined ? {} : { leader: { node: leader.node, term: leader.term } }),
          revision,
          members: members.map((member) => ({
            node: member.node,
            voter: member.voter,
            ...(member.address === undefined ? {} : { address: member.address }),
            ...(member.reachable === undefined ? {} : { reachable: member.reachable }),
          })),
        };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/whoami",
      name: "status.whoami",
      summary: "Whose token this is.",
      role: "read",
      answer: v.strictObject({ id: v.string(), name: v.string(), role: v.picklist(ROLES) }),
      handle: async (_input, { caller }) => {
        if (caller === undefined) throw new ApiError("unauthorized", "a token is needed");
        return { ...caller };
      },
    }),
    downloadRoute({
      method: "GET",
      path: "/v1/backup",
      name: "backup.save",
      summary: "The whole control state, for `restore`.",
      role: "admin",
      handle: () => wired(parts.backup, "backup").save(),
    }),
    uploadRoute({
      method: "POST",
      path: "/v1/restore",
      name: "backup.restore",
      summary: "Replaces the control state by that of a backup, as a new generation.",
      role: "admin",
      changes: true,
      answer: v.strictObject({ revision: revisionNumber }),
      handle: async (bytes) => {
        const { revision } = await wired(parts.backup, "restore").restore(bytes);
        return { revision };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/log-level",
      name: "log.show",
      summary: "The level of this apiserver's log.",
      role: "read",
      answer: levelSchema,
      handle: async () => ({ level: wired(parts.logLevel, "changing of the log's level").get() }),
    }),
    jsonRoute({
      method: "PUT",
      path: "/v1/log-level",
      name: "log.set",
      summary: "Sets the level of this apiserver's log, until it restarts.",
      role: "admin",
      changes: true,
      body: levelSchema,
      answer: levelSchema,
      handle: async ({ body: { level } }) => {
        wired(parts.logLevel, "changing of the log's level").set(level satisfies LogLevel);
        return { level };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/audit",
      name: "audit.list",
      summary: "The newest changes that were asked for at this apiserver; all are in its log.",
      role: "admin",
      answer: v.strictObject({
        entries: v.array(
          v.strictObject({
            when: v.string(),
            token: v.string(),
            who: v.string(),
            from: v.string(),
            what: v.string(),
            target: v.record(v.string(), v.string()),
            result: v.string(),
          }),
        ),
      }),
      handle: async () => ({
        entries: audit.entries.map((entry) => ({ ...entry, target: { ...entry.target } })),
      }),
    }),
  ];
}
