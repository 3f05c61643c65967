import {
  hexOf,
  MAX_CONSTRAINT_NODES,
  MAX_GRACE_SECONDS,
  MAX_LABEL_BYTES,
  MAX_LABELS,
  MAX_MODULE_NAME_BYTES,
  MAX_MODULE_PATH_BYTES,
  MAX_SLEEP_AFTER_SECONDS,
  MAX_VERSION_BYTES,
  MAX_WORLD_WEIGHT,
  MIGRATION_PHASES,
  type MigrationRecord,
  type ModuleSource,
  type MovedRecord,
  type NodeLoad,
  type NodeRecord,
  plainProblem,
  type WorldRecord,
  worldOfShard,
} from "@atlasnet/core";
import * as v from "valibot";
import type { ReportedMigration } from "../leader/leader-role.ts";
import { nodeName, revisionNumber, worldName } from "./schemas.ts";

/** Records as JSON. Bounds that are not here are checked by `encodeRecord`, which has the last word. */

export const labelsSchema = v.pipe(
  v.record(v.string(), v.pipe(v.string(), v.maxLength(MAX_LABEL_BYTES))),
  v.check((labels) => Object.keys(labels).length <= MAX_LABELS, "too many labels"),
);

/** How a node is loaded. */
export const loadSchema = v.strictObject({
  sessions: v.number(),
  memoryBytes: v.number(),
  busy: v.number(),
  tickMs: v.number(),
  bytesPerSecond: v.number(),
});

export const nodeSchema = v.strictObject({
  node: v.string(),
  role: v.picklist(["gameserver", "proxy", "apiserver"]),
  state: v.picklist(["starting", "ready", "draining", "lost", "stopped"]),
  cordoned: v.boolean(),
  address: v.string(),
  labels: labelsSchema,
  capacity: v.strictObject({
    weight: v.number(),
    sessions: v.number(),
    memoryBytes: v.number(),
  }),
  modules: v.array(v.string()),
  boot: v.string(),
  fingerprint: v.string(),
  leaseMs: v.number(),
  /** ISO 8601. */
  registered: v.string(),
  modified: revisionNumber,
  /** As it said with its last renewal. */
  load: v.optional(loadSchema),
});
export type NodeJson = v.InferOutput<typeof nodeSchema>;

export function nodeJson(
  node: string,
  record: NodeRecord,
  modified: number,
  load?: NodeLoad | undefined,
): NodeJson {
  const { registered, capacity, modules, labels, ...rest } = record;
  return {
    node,
    ...rest,
    labels: { ...labels },
    capacity: { ...capacity },
    modules: [...modules],
    registered: dateText(registered),
    modified,
    ...(load === undefined ? {} : { load: { ...load } }),
  };
}

/** Whatever a record says, this throws nothing. */
function dateText(at: number): string {
  return new Date(Math.min(at, 8.64e15)).toISOString();
}

const digestText = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits are needed"),
);
const nodeModule = v.strictObject({
  source: v.literal("node"),
  path: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_MODULE_PATH_BYTES)),
});
const storedModule = {
  source: v.literal("store"),
  name: v.pipe(v.string(), v.maxLength(MAX_MODULE_NAME_BYTES)),
  version: v.pipe(v.string(), v.maxLength(MAX_VERSION_BYTES)),
} as const;
const moduleSchema = v.variant("source", [
  nodeModule,
  v.strictObject({ ...storedModule, digest: digestText }),
]);
/** As it is asked for: the digest is looked up by name and version. */
export const askedModuleSchema = v.variant("source", [
  nodeModule,
  v.strictObject({ ...storedModule, digest: v.optional(digestText) }),
]);
export type AskedModule = v.InferOutput<typeof askedModuleSchema>;

/** What a world is handed as its configuration: any JSON within the bounds of plain values. */
const plainSchema = v.pipe(
  v.unknown(),
  v.check((value) => plainProblem(value) === undefined, "a plain value is needed"),
);

const integer = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));

const constraintNodes = v.pipe(v.array(nodeName), v.maxLength(MAX_CONSTRAINT_NODES));

/** What can be set of a world besides its module, within its bounds. */
const settings = {
  config: plainSchema,
  durability: v.picklist(["mirror", "journal", "snapshot", "none"]),
  graceSeconds: integer(0, MAX_GRACE_SECONDS),
  sleepAfterSeconds: integer(0, MAX_SLEEP_AFTER_SECONDS),
  labels: labelsSchema,
  constraints: v.strictObject({
    nodeLabels: v.optional(labelsSchema),
    nodes: v.optional(constraintNodes),
  }),
  policy: v.picklist(["spread", "pack"]),
  weight: integer(1, MAX_WORLD_WEIGHT),
  failover: v.picklist(["automatic", "manual"]),
  enabled: v.boolean(),
} as const;

const newConstraints = v.strictObject({
  nodeLabels: v.optional(labelsSchema, {}),
  nodes: v.optional(constraintNodes, []),
});

/** What a new world is made of; the module is all that is needed. */
export const newWorldSchema = v.strictObject({
  world: worldName,
  module: askedModuleSchema,
  config: v.optional(settings.config, null),
  durability: v.optional(settings.durability, "journal"),
  graceSeconds: v.optional(settings.graceSeconds, 30),
  /** Default: never. */
  sleepAfterSeconds: v.optional(settings.sleepAfterSeconds),
  labels: v.optional(settings.labels, {}),
  constraints: v.optional(newConstraints, { nodeLabels: {}, nodes: [] }),
  policy: v.optional(settings.policy, "spread"),
  weight: v.optional(settings.weight, 1),
  /** Default: automatic for worlds with durability none, and with a snapshot store for all; manual otherwise. */
  failover: v.optional(settings.failover),
  enabled: v.optional(settings.enabled, true),
});

/** What is to be another way; the rest stays. */
export const worldChangesSchema = v.strictObject({
  module: v.optional(askedModuleSchema),
  ...v.partial(v.strictObject(settings)).entries,
});
export type WorldChanges = v.InferOutput<typeof worldChangesSchema>;

export const worldSchema = v.strictObject({
  world: v.string(),
  module: moduleSchema,
  config: v.unknown(),
  durability: settings.durability,
  graceSeconds: v.number(),
  /** 0: never. */
  sleepAfterSeconds: v.number(),
  labels: labelsSchema,
  constraints: v.strictObject({ nodeLabels: labelsSchema, nodes: v.array(v.string()) }),
  policy: settings.policy,
  weight: v.number(),
  failover: settings.failover,
  enabled: v.boolean(),
  modified: revisionNumber,
});
export type WorldJson = v.InferOutput<typeof worldSchema>;

export function worldJson(world: string, record: WorldRecord, modified: number): WorldJson {
  const { module, labels, constraints, sleepAfterSeconds = 0, ...rest } = record;
  return {
    world,
    ...rest,
    sleepAfterSeconds,
    module: moduleJson(module),
    labels: { ...labels },
    constraints: { nodeLabels: { ...constraints.nodeLabels }, nodes: [...constraints.nodes] },
    modified,
  };
}

export const migrationSchema = v.strictObject({
  shard: v.string(),
  world: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.picklist(["operator", "drained", "balanced", "upgraded"]),
  /** Who asked for it. */
  by: v.optional(v.string()),
  /** What the target is to run; absent: what the world names. */
  module: v.optional(moduleSchema),
  /** ISO 8601. */
  started: v.string(),
  deadlineMs: v.number(),
  modified: revisionNumber,
  /** As one of both nodes said last; absent until then. */
  progress: v.optional(
    v.strictObject({
      node: v.string(),
      phase: v.picklist(MIGRATION_PHASES),
      bytes: v.number(),
      /** 0: not known yet. */
      totalBytes: v.number(),
      lagTicks: v.number(),
    }),
  ),
});
export type MigrationJson = v.InferOutput<typeof migrationSchema>;

/** `reports`: of any migrations; the target knows best how far its own is. */
export function migrationJson(
  shard: string,
  record: MigrationRecord,
  modified: number,
  reports: readonly ReportedMigration[] = [],
): MigrationJson {
  const { id, from, to, reason, by, module, started, deadlineMs } = record;
  const own = reports.filter((each) => each.id === id && each.shard === shard);
  const report = own.find(({ node }) => node === to) ?? own.find(({ node }) => node === from);
  return {
    ...{ shard, world: worldOfShard(shard) ?? "", id, from, to, reason },
    ...(by === undefined ? {} : { by }),
    ...(module === undefined ? {} : { module: moduleJson(module) }),
    ...{ started: dateText(started), deadlineMs, modified },
    ...(report === undefined ? {} : { progress: progressJson(report) }),
  };
}

function progressJson({ node, phase, bytes, totalBytes, lagTicks }: ReportedMigration) {
  return { node, phase, bytes, totalBytes, lagTicks };
}

/** How a shard's last migration ended. */
export const movedSchema = v.strictObject({
  shard: v.string(),
  world: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.picklist(["operator", "drained", "balanced", "upgraded"]),
  outcome: v.picklist(["moved", "aborted"]),
  by: v.string(),
  problem: v.string(),
  /** ISO 8601. */
  started: v.string(),
  ended: v.string(),
  /** Between the last tick there and the first one here; absent until it is measured. */
  gapMs: v.optional(v.number()),
  bytes: v.optional(v.number()),
  modified: revisionNumber,
});
export type MovedJson = v.InferOutput<typeof movedSchema>;

export function movedJson(shard: string, record: MovedRecord, modified: number): MovedJson {
  const { gapMs, bytes, started, ended, ...rest } = record;
  return {
    ...{ shard, world: worldOfShard(shard) ?? "" },
    ...rest,
    ...{ started: dateText(started), ended: dateText(ended), modified },
    ...(gapMs === undefined ? {} : { gapMs }),
    ...(bytes === undefined ? {} : { bytes }),
  };
}

function moduleJson(module: ModuleSource): v.InferOutput<typeof moduleSchema> {
  return module.source === "node" ? module : { ...module, digest: hexOf(module.digest) };
}
