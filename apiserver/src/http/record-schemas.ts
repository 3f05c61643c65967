import {
  MAX_CONSTRAINT_NODES,
  MAX_GRACE_SECONDS,
  MAX_LABEL_BYTES,
  MAX_LABELS,
  MAX_MODULE_NAME_BYTES,
  MAX_MODULE_PATH_BYTES,
  MAX_VERSION_BYTES,
  MAX_WORLD_WEIGHT,
  type NodeLoad,
  type NodeRecord,
  plainProblem,
  type WorldRecord,
} from "@atlasnet/core";
import * as v from "valibot";
import { nodeName, revisionNumber, worldName } from "./schemas.ts";

/** Records as JSON. Bounds that are not here are checked by `encodeRecord`, which has the last word. */

export const labelsSchema = v.pipe(
  v.record(v.string(), v.pipe(v.string(), v.maxLength(MAX_LABEL_BYTES))),
  v.check((labels) => Object.keys(labels).length <= MAX_LABELS, "too many labels"),
);

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
  load: v.optional(
    v.strictObject({
      sessions: v.number(),
      memoryBytes: v.number(),
      busy: v.number(),
      tickMs: v.number(),
      bytesPerSecond: v.number(),
    }),
  ),
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
const moduleSchema = v.variant("source", [
  v.strictObject({
    source: v.literal("node"),
    path: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_MODULE_PATH_BYTES)),
  }),
  v.strictObject({
    source: v.literal("store"),
    name: v.pipe(v.string(), v.maxLength(MAX_MODULE_NAME_BYTES)),
    version: v.pipe(v.string(), v.maxLength(MAX_VERSION_BYTES)),
    digest: digestText,
  }),
]);
/** As it is asked for: the digest is looked up by name and version. */
const askedModuleSchema = v.variant("source", [
  v.strictObject({
    source: v.literal("node"),
    path: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_MODULE_PATH_BYTES)),
  }),
  v.strictObject({
    source: v.literal("store"),
    name: v.pipe(v.string(), v.maxLength(MAX_MODULE_NAME_BYTES)),
    version: v.pipe(v.string(), v.maxLength(MAX_VERSION_BYTES)),
    digest: v.optional(digestText),
  }),
]);
export type AskedModule = v.InferOutput<typeof askedModuleSchema>;

/** What a world is handed as its configuration: any JSON within the bounds of plain values. */
const plainSchema = v.pipe(
  v.unknown(),
  v.check((value) => plainProblem(value) === undefined, "a plain value is needed"),
);

const integer = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));

const constraintsSchema = v.strictObject({
  nodeLabels: v.optional(labelsSchema, {}),
  nodes: v.optional(v.pipe(v.array(nodeName), v.maxLength(MAX_CONSTRAINT_NODES)), []),
});

/** What a new world is made of; the module is all that is needed. */
export const newWorldSchema = v.strictObject({
  world: worldName,
  module: askedModuleSchema,
  config: v.optional(plainSchema, null),
  durability: v.optional(v.picklist(["journal", "snapshot", "none"]), "journal"),
  graceSeconds: v.optional(integer(0, MAX_GRACE_SECONDS), 30),
  labels: v.optional(labelsSchema, {}),
  constraints: v.optional(constraintsSchema, { nodeLabels: {}, nodes: [] }),
  policy: v.optional(v.picklist(["spread", "pack"]), "spread"),
  weight: v.optional(integer(1, MAX_WORLD_WEIGHT), 1),
  /** Default: automatic for worlds with durability none, and with a snapshot store for all; manual otherwise. */
  failover: v.optional(v.picklist(["automatic", "manual"])),
  enabled: v.optional(v.boolean(), true),
});

/** What is to be another way; the rest stays. */
export const worldChangesSchema = v.strictObject({
  module: v.optional(askedModuleSchema),
  config: v.optional(plainSchema),
  durability: v.optional(v.picklist(["journal", "snapshot", "none"])),
  graceSeconds: v.optional(integer(0, MAX_GRACE_SECONDS)),
  labels: v.optional(labelsSchema),
  constraints: v.optional(
    v.strictObject({
      nodeLabels: v.optional(labelsSchema),
      nodes: v.optional(v.pipe(v.array(nodeName), v.maxLength(MAX_CONSTRAINT_NODES))),
    }),
  ),
  policy: v.optional(v.picklist(["spread", "pack"])),
  weight: v.optional(integer(1, MAX_WORLD_WEIGHT)),
  failover: v.optional(v.picklist(["automatic", "manual"])),
  enabled: v.optional(v.boolean()),
});
export type WorldChanges = v.InferOutput<typeof worldChangesSchema>;

export const worldSchema = v.strictObject({
  world: v.string(),
  module: moduleSchema,
  config: v.unknown(),
  durability: v.picklist(["journal", "snapshot", "none"]),
  graceSeconds: v.number(),
  labels: labelsSchema,
  constraints: v.strictObject({ nodeLabels: labelsSchema, nodes: v.array(v.string()) }),
  policy: v.picklist(["spread", "pack"]),
  weight: v.number(),
  failover: v.picklist(["automatic", "manual"]),
  enabled: v.boolean(),
  modified: revisionNumber,
});
export type WorldJson = v.InferOutput<typeof worldSchema>;

export function worldJson(world: string, record: WorldRecord, modified: number): WorldJson {
  const { module, labels, constraints, ...rest } = record;
  return {
    world,
    ...rest,
    module: module.source === "node" ? module : { ...module, digest: hex(module.digest) },
    labels: { ...labels },
    constraints: { nodeLabels: { ...constraints.nodeLabels }, nodes: [...constraints.nodes] },
    modified,
  };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
