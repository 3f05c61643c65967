import {
  abortMigration,
  firstShard,
  MAX_AWAY_AT_ONCE,
  MAX_MIGRATION_MS,
  MIN_MIGRATION_MS,
  migrationKey,
  movedKey,
  parseRecordKey,
  SHARDS,
  worldOfShard,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { migrateAway } from "../migrate-away.ts";
import { askerOf, DEFAULT_MIGRATION_MS, migrate, upgrade } from "../migrations.ts";
import { propose, readRecord, recordOf } from "../record-access.ts";
import {
  askedModuleSchema,
  migrationJson,
  migrationSchema,
  movedJson,
  movedSchema,
} from "../record-schemas.ts";
import { jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import {
  changedSchema,
  keyText,
  limitText,
  nodeName,
  revisionNumber,
  worldName,
} from "../schemas.ts";

/** Records of shards that one page looks at: most of them say nothing of migrations. */
const MAX_LOOKED_AT = 1000;
const DEFAULT_AT_ONCE = 4;

const deadline = v.optional(
  v.pipe(v.number(), v.integer(), v.minValue(MIN_MIGRATION_MS), v.maxValue(MAX_MIGRATION_MS)),
  DEFAULT_MIGRATION_MS,
);
const begunSchema = v.strictObject({
  shard: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
});
const shardParams = v.pipe(
  v.strictObject({ world: worldName, index: v.pipe(v.string(), v.regex(/^\d{1,4}$/)) }),
  v.check(
    ({ world, index }) => worldOfShard(`${world}/${index}`) !== undefined,
    "no shard has such a number",
  ),
  v.transform(({ world, index }) => `${world}/${index}`),
);

export function migrationRoutes(parts: RouteParts): Route[] {
  const { store, logger, clock, random, moves } = parts;
  const migrations = { store, clock, random, moves };
  return [
    jsonRoute({
      method: "POST",
      path: "/v1/worlds/{world}/migrate",
      name: "worlds.migrate",
      summary:
        "Moves a world to another gameserver while it runs: to `to`, or to where placement finds it best off. With `module` it runs that one from there on, if it can go on with the world's state; of a world that does not run, the record is changed alone, and the answer has no `id`.",
      role: "operate",
      changes: true,
      params: v.strictObject({ world: worldName }),
      body: v.strictObject({
        to: v.optional(nodeName),
        deadlineMs: deadline,
        module: v.optional(askedModuleSchema),
      }),
      answer: v.strictObject({
        revision: revisionNumber,
        shard: v.string(),
        ...v.partial(v.omit(begunSchema, ["shard"])).entries,
      }),
      handle: ({ params: { world }, body: { to, deadlineMs, module } }, call) => {
        const asked = {
          ...{ shard: firstShard(world), to, deadlineMs },
          ...{ by: askerOf(call), request: call.id },
        };
        return module === undefined
          ? migrate(migrations, asked)
          : upgrade(migrations, { ...asked, module });
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/nodes/{node}/migrate-away",
      name: "nodes.migrate-away",
      summary:
        "Moves worlds away from a gameserver while they run, `atOnce` of them at a time: to be asked again until none is left. New ones may come to it unless it is cordoned.",
      role: "operate",
      changes: true,
      params: v.strictObject({ node: nodeName }),
      body: v.strictObject({
        deadlineMs: deadline,
        atOnce: v.optional(
          v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_AWAY_AT_ONCE)),
          DEFAULT_AT_ONCE,
        ),
      }),
      answer: v.strictObject({
        /** Begun by this request. */
        begun: v.array(begunSchema),
        /** On their way from this node, those that were begun now included. */
        underWay: v.array(v.string()),
        /** Their turn comes with a later request. */
        waiting: v.number(),
        /** Not moved, and why. */
        refused: v.array(
          v.strictObject({ shard: v.string(), code: v.string(), message: v.string() }),
        ),
      }),
      handle: ({ params: { node }, body }, call) =>
        migrateAway(
          { ...migrations, logger },
          { node, ...body, by: askerOf(call), request: call.id },
        ),
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/migrations",
      name: "migrations.list",
      summary:
        "The migrations that are under way, or with `ended=true` how each shard's last one ended; page by page: `after` is `last` of the page before. A page may be empty and not the last.",
      role: "read",
      query: v.strictObject({
        ended: v.optional(v.picklist(["true", "false"]), "false"),
        after: v.optional(keyText),
        limit: v.optional(limitText(MAX_LOOKED_AT), String(MAX_LOOKED_AT)),
      }),
      answer: v.strictObject({
        revision: revisionNumber,
        migrations: v.array(migrationSchema),
        moved: v.array(movedSchema),
        more: v.boolean(),
        last: v.optional(v.string()),
      }),
      handle: async ({ query: { ended, after, limit } }) => {
        const { revision, items, more } = await store.range({
          prefix: SHARDS,
          limit,
          ...(after === undefined ? {} : { after: `${SHARDS}${after}` }),
        });
        const reports = (await moves?.reports()) ?? [];
        const found = { migrations: migrationList(), moved: movedList() };
        for (const item of items) {
          const key = parseRecordKey(item.key);
          if (key?.kind === "migration" && ended === "false") {
            const record = recordOf("migration", item, logger);
            if (record !== undefined)
              found.migrations.push(migrationJson(key.shard, record, item.modified, reports));
          } else if (key?.kind === "moved" && ended === "true") {
            const record = recordOf("moved", item, logger);
            if (record !== undefined) found.moved.push(movedJson(key.shard, record, item.modified));
          }
        }
        const last = items.at(-1)?.key.slice(SHARDS.length);
        return { revision, ...found, more, ...(last === undefined ? {} : { last }) };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/migrations/{world}/{index}",
      name: "migrations.show",
      summary: "The migration of a shard that is under way, and how its last one ended.",
      role: "read",
      params: shardParams,
      answer: v.strictObject({
        migration: v.optional(migrationSchema),
        moved: v.optional(movedSchema),
      }),
      handle: async ({ params: shard }) => {
        const migration = await readRecord(store, "migration", migrationKey(shard));
        const moved = await readRecord(store, "moved", movedKey(shard), "local");
        const reports = (await moves?.reports()) ?? [];
        if (migration.record === undefined && moved.record === undefined) throw noMigration(shard);
        return {
          ...(migration.record === undefined
            ? {}
            : { migration: migrationJson(shard, migration.record, migration.modified, reports) }),
          ...(moved.record === undefined
            ? {}
            : { moved: movedJson(shard, moved.record, moved.modified) }),
        };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/migrations/{world}/{index}",
      name: "migrations.cancel",
      summary:
        "Ends the migration of a shard before it has switched: it stays where it is. `id`: that one only.",
      role: "operate",
      changes: true,
      params: shardParams,
      query: v.strictObject({ id: v.optional(v.pipe(v.string(), v.maxLength(64))) }),
      answer: changedSchema,
      handle: async ({ params: shard, query: { id } }, call) => {
        const by = askerOf(call);
        const how = { by, problem: `cancelled by ${by}`, ended: clock.wallTime() };
        const revision = await propose(
          store,
          async () => ({
            migration: await readRecord(store, "migration", migrationKey(shard)),
            moved: await readRecord(store, "moved", movedKey(shard), "local"),
          }),
          ({ migration, moved }) => {
            const isOther = id !== undefined && migration.record?.id !== id;
            if (migration.record !== undefined && !isOther)
              return abortMigration(shard, migration, how);
            // A retry of what was done has the same answer.
            const isDone = id !== undefined && moved.record?.id === id && moved.record.by === by;
            return isDone
              ? { ok: true, txn: { compare: [], then: [] } }
              : { ok: false, code: "ended", problem: "" };
          },
          () => noMigration(shard, id),
        );
        return { revision };
      },
    }),
  ];
}

const migrationList = (): ReturnType<typeof migrationJson>[] => [];
const movedList = (): ReturnType<typeof movedJson>[] => [];

function noMigration(shard: string, id?: string): ApiError {
  const which = id === undefined ? "no migration" : `no migration ${id}`;
  return new ApiError(
    "not-found",
    `${which} of ${shard} is under way`,
    `\`atlasnet migration ls\` shows those that are, and with --ended how the last ones ended.`,
  );
}
