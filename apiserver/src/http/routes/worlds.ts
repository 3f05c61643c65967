import {
  encodeRecord,
  type Proposal,
  toPlain,
  updateWorld,
  WORLDS,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { propose, readRecord, recordOf } from "../record-access.ts";
import { newWorldSchema, worldChangesSchema, worldJson, worldSchema } from "../record-schemas.ts";
import { jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { changedSchema, limitText, revisionNumber, worldName } from "../schemas.ts";
import { askedModule, changedWorld, usualFailover } from "../world-changes.ts";

const params = v.strictObject({ world: worldName });

export function worldRoutes({ store, logger, snapshots = false }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/worlds",
      name: "worlds.list",
      summary: "The catalogue of worlds, page by page: `after` is the last one of the page before.",
      role: "read",
      query: v.strictObject({ after: v.optional(worldName), limit: v.optional(limitText()) }),
      answer: v.strictObject({
        revision: revisionNumber,
        worlds: v.array(worldSchema),
        more: v.boolean(),
        /** The last one of this page. */
        last: v.optional(v.string()),
      }),
      handle: async ({ query: { after, limit } }) => {
        const { revision, items, more } = await store.range({
          prefix: WORLDS,
          ...(after === undefined ? {} : { after: worldKey(after) }),
          ...(limit === undefined ? {} : { limit }),
        });
        const worlds = items.flatMap((item) => {
          const record = recordOf("world", item, logger);
          return record === undefined
            ? []
            : [worldJson(item.key.slice(WORLDS.length), record, item.modified)];
        });
        const last = items.at(-1)?.key.slice(WORLDS.length);
        return { revision, worlds, more, ...(last === undefined ? {} : { last }) };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/worlds/{world}",
      name: "worlds.show",
      summary: "One world of the catalogue.",
      role: "read",
      params,
      answer: worldSchema,
      handle: async ({ params: { world } }) => {
        const { record, modified } = await readRecord(store, "world", worldKey(world));
        if (record === undefined) throw noWorld(world);
        return worldJson(world, record, modified);
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/worlds",
      name: "worlds.create",
      summary: "Makes a world. Where it runs is decided by the control plane.",
      role: "operate",
      changes: true,
      body: newWorldSchema,
      answer: changedSchema,
      status: 201,
      handle: async ({ body: { world, module, config, ...rest } }, { id }) => {
        const named = await askedModule(store, module);
        const record: WorldRecord = {
          ...rest,
          config: toPlain(config),
          failover: rest.failover ?? usualFailover(rest.durability, snapshots),
          module: named.module,
        };
        const key = worldKey(world);
        // Without reading the world first: so a retry gets the answer of the first try, and not "exists".
        const { succeeded, revision } = await store.txn({
          ...(id === undefined ? {} : { id }),
          compare: [{ type: "modified", key, is: "equal", revision: 0 }, ...named.compare],
          then: [{ type: "put", key, value: encodeRecord("world", record) }],
        });
        if (succeeded) return { revision };
        const isThere = (await readRecord(store, "world", key)).record !== undefined;
        throw isThere || named.compare.length === 0
          ? new ApiError(
              "conflict",
              `there is a world ${world} already`,
              "Choose another name, or remove that one.",
            )
          : new ApiError(
              "conflict",
              "its module was removed or pushed anew at the same time",
              "`atlasnet module ls` shows what there is now.",
            );
      },
    }),
    jsonRoute({
      method: "PATCH",
      path: "/v1/worlds/{world}",
      name: "worlds.update",
      summary:
        "Changes what is named of a world. Where it runs and whether it is mirrored counts at once; module, configuration, other durability and grace when a node opens it next.",
      role: "operate",
      changes: true,
      params,
      body: worldChangesSchema,
      answer: changedSchema,
      handle: async ({ params: { world }, body }) => {
        const { module } = body;
        const revision = await propose(
          store,
          async () => ({
            named: module && (await askedModule(store, module)),
            before: await readRecord(store, "world", worldKey(world)),
          }),
          ({ named, before }): Proposal<"no-world"> => {
            if (before.record === undefined) return { ok: false, code: "no-world", problem: "" };
            const changed = changedWorld(before.record, body, named?.module, snapshots);
            const made = updateWorld(world, before, changed);
            if (!made.ok || named === undefined) return made;
            const compare = [...made.txn.compare, ...named.compare];
            return { ok: true, txn: { ...made.txn, compare } };
          },
          () => noWorld(world),
        );
        return { revision };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/worlds/{world}/wake",
      name: "worlds.wake",
      summary:
        "Has a world that sleeps opened on its node, by writing its record as it is. It sleeps again when nobody comes.",
      role: "operate",
      changes: true,
      params,
      answer: changedSchema,
      handle: async ({ params: { world } }) => {
        const revision = await propose(
          store,
          () => readRecord(store, "world", worldKey(world)),
          (before): Proposal<"no-world"> =>
            before.record === undefined
              ? { ok: false, code: "no-world", problem: "" }
              : updateWorld(world, before, before.record),
          () => noWorld(world),
        );
        return { revision };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/worlds/{world}",
      name: "worlds.remove",
      summary:
        "Removes a world: its node stops it. What it stored on that node, and its snapshots in the snapshot store, stay there.",
      role: "operate",
      changes: true,
      params,
      answer: changedSchema,
      handle: async ({ params: { world } }, { id }) => {
        const key = worldKey(world);
        const { succeeded, revision } = await store.txn({
          ...(id === undefined ? {} : { id }),
          compare: [{ type: "modified", key, is: "greater", revision: 0 }],
          then: [{ type: "delete", key }],
        });
        if (!succeeded) throw noWorld(world);
        return { revision };
      },
    }),
  ];
}

export function noWorld(world: string): ApiError {
  return new ApiError("not-found", `there is no world ${world}`, "`atlasnet world ls` shows them.");
}
