import { OperatingError } from "../errors.ts";
import { decodeCbor, encodeCbor, withWireIntegers } from "../wire/cbor.ts";
import {
  boolean,
  byteString,
  type FieldCheck,
  isOptional,
  listOf,
  optional,
  plain,
  record,
  text,
  unsigned,
  word,
} from "../wire/field-checks.ts";
import { MAX_PLAIN_BYTES, toPlain } from "../wire/plain.ts";
import { MAX_VALUE_BYTES } from "./control-store.ts";
import { isModuleName, isModuleVersion, isNodeName } from "./record-keys.ts";
import {
  MAX_ADDRESS_BYTES,
  MAX_ASKER_BYTES,
  MAX_BOOT_BYTES,
  MAX_CONSTRAINT_NODES,
  MAX_GRACE_SECONDS,
  MAX_LABEL_BYTES,
  MAX_LABELS,
  MAX_MIGRATION_MS,
  MAX_MIGRATION_PROBLEM_BYTES,
  MAX_MODULE_BYTES,
  MAX_MODULE_NAME_BYTES,
  MAX_MODULE_PATH_BYTES,
  MAX_NODE_MODULES,
  MAX_NODE_WEIGHT,
  MAX_OLDER_SNAPSHOTS,
  MAX_RECORD_LEASE_MS,
  MAX_SLEEP_AFTER_SECONDS,
  MAX_SNAPSHOT_BYTES,
  MAX_VERSION_BYTES,
  MAX_WORLD_WEIGHT,
  MIN_LEASE_MS,
  MIN_MIGRATION_MS,
  type MigrationRecord,
  type MirrorRecord,
  type ModuleRecord,
  type MovedRecord,
  type NodeRecord,
  type OwnerRecord,
  type ShardRecord,
  type SnapshotRecord,
  type WorldRecord,
} from "./records.ts";

/**
 * Records as bytes: one CBOR map each, with the fields of records.ts under their names. Both directions check
 * every field and bound; unknown and absent fields are refused. A field that comes later is optional,
 * and written only once every node of a cluster knows it.
 */

export interface Records {
  readonly node: NodeRecord;
  readonly world: WorldRecord;
  readonly shard: ShardRecord;
  readonly owner: OwnerRecord;
  readonly module: ModuleRecord;
  readonly snapshot: SnapshotRecord;
  readonly migration: MigrationRecord;
  readonly moved: MovedRecord;
  readonly mirror: MirrorRecord;
}

export type RecordKind = keyof Records;

export type DecodedRecord<T> =
  | { readonly ok: true; readonly record: T }
  | { readonly ok: false; readonly code: "bad-record"; readonly problem: string };

/** A record that must not be written: somebody gave a field out of its bounds. */
export class RecordError extends OperatingError {
  declare readonly code: "bad-record";
  /** `labels`, `capacity.weight`, …; empty when it is about the whole. */
  readonly field: string;
  constructor(kind: RecordKind, field: string, problem: string) {
    super("bad-record", `${kind}${field === "" ? "" : `.${field}`}: ${problem}`, {
      facts: { kind, field },
      hint: "Correct the field and try again; nothing was changed.",
    });
    this.field = field;
  }
}

function integer(min: number, max: number): FieldCheck {
  return (value) =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : `an integer from ${min} to ${max} is needed`;
}

function textThat(holds: (text: string) => boolean, needed: string): FieldCheck {
  return (value) => (typeof value === "string" && holds(value) ? undefined : `${needed} is needed`);
}

/** Names that may stand in a label: what follows has no `=` and no blanks, so that `a=b` can be written. */
const LABEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/;

const labels: FieldCheck = (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "a map is needed";
  const entries = Object.entries(value);
  if (entries.length > MAX_LABELS) return `at most ${MAX_LABELS} labels are allowed`;
  for (const [name, content] of entries) {
    if (name.length > MAX_LABEL_BYTES || !LABEL_NAME.test(name))
      return `${name.slice(0, 40)}: a label is named with letters, digits, ., _, / and -`;
    const problem = labelValue(content);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return undefined;
};

const labelValue = text(0, MAX_LABEL_BYTES);
const nodeName = textThat(isNodeName, "the id of a node");
const boot = text(1, MAX_BOOT_BYTES);
const modulePath = text(1, MAX_MODULE_PATH_BYTES);
const moduleEntry = text(1, MAX_MODULE_NAME_BYTES);
const digest = byteString(32, 32);

const nodeModule = record({ source: word("node"), path: modulePath });
const storeModule = record({
  source: word("store"),
  name: textThat(isModuleName, "the name of an npm package in lower case"),
  version: textThat(isModuleVersion, "a version such as 1.2.3"),
  digest,
});

const moduleSource: FieldCheck = (value) => {
  const source =
    typeof value === "object" && value !== null && "source" in value ? value.source : undefined;
  if (source === "node") return nodeModule(value);
  if (source === "store") return storeModule(value);
  return "source: one of node, store";
};

const snapshotFacts = record({
  digest,
  bytes: integer(1, MAX_SNAPSHOT_BYTES),
  timeline: unsigned,
  tick: unsigned,
  module: record({ name: text(0, MAX_MODULE_NAME_BYTES), version: text(0, MAX_VERSION_BYTES) }),
  schema: digest,
  taken: unsigned,
});

const shortId = textThat((value) => /^[0-9a-f]{16}$/.test(value), "16 hexadecimal digits");
const migrationReason = word("operator", "drained", "balanced", "upgraded");

type Fields<R> = { readonly [K in keyof R]-?: FieldCheck };
const catalogue: { readonly [K in RecordKind]: Fields<Records[K]> } = {
  node: {
    role: word("gameserver", "proxy", "apiserver"),
    labels,
    capacity: record({
      weight: integer(0, MAX_NODE_WEIGHT),
      sessions: unsigned,
      memoryBytes: unsigned,
    }),
    modules: listOf(MAX_NODE_MODULES, modulePath),
    address: text(0, MAX_ADDRESS_BYTES),
    boot,
    fingerprint: textThat((value) => /^[0-9a-f]{64}$/.test(value), "64 hexadecimal digits"),
    state: word("starting", "ready", "draining", "lost", "stopped"),
    cordoned: boolean,
    leaseMs: integer(MIN_LEASE_MS, MAX_RECORD_LEASE_MS),
    registered: unsigned,
  },
  world: {
    module: moduleSource,
    config: plain(MAX_PLAIN_BYTES),
    durability: word("mirror", "journal", "snapshot", "none"),
    graceSeconds: integer(0, MAX_GRACE_SECONDS),
    sleepAfterSeconds: optional(integer(0, MAX_SLEEP_AFTER_SECONDS)),
    labels,
    constraints: record({ nodeLabels: labels, nodes: listOf(MAX_CONSTRAINT_NODES, nodeName) }),
    policy: word("spread", "pack"),
    weight: integer(1, MAX_WORLD_WEIGHT),
    failover: word("automatic", "manual"),
    enabled: boolean,
  },
  shard: {
    wanted: optional(nodeName),
    reason: word(
      "placed",
      "failover",
      "drained",
      "balanced",
      "not-claimed",
      "not-allowed",
      "disabled",
      "operator",
    ),
  },
  owner: {
    world: unsigned,
    node: nodeName,
    boot,
    state: word("owned", "released"),
    promotedOver: optional(unsigned),
  },
  module: { digest, entry: moduleEntry, bytes: integer(1, MAX_MODULE_BYTES) },
  snapshot: {
    world: unsigned,
    node: nodeName,
    epoch: unsigned,
    turn: unsigned,
    final: boolean,
    newest: snapshotFacts,
    older: listOf(MAX_OLDER_SNAPSHOTS, snapshotFacts),
  },
  migration: {
    id: shortId,
    world: unsigned,
    from: nodeName,
    fromBoot: boot,
    epoch: unsigned,
    to: nodeName,
    toBoot: boot,
    reason: migrationReason,
    by: optional(text(1, MAX_ASKER_BYTES)),
    module: optional(moduleSource),
    started: unsigned,
    deadlineMs: integer(MIN_MIGRATION_MS, MAX_MIGRATION_MS),
  },
  mirror: {
    id: shortId,
    world: unsigned,
    epoch: unsigned,
    node: nodeName,
    boot,
    state: word("asked", "in-sync"),
    unleased: optional(boolean),
    leaving: optional(boolean),
  },
  moved: {
    id: shortId,
    from: nodeName,
    to: nodeName,
    reason: migrationReason,
    outcome: word("moved", "aborted"),
    by: text(0, 64),
    problem: text(0, MAX_MIGRATION_PROBLEM_BYTES),
    started: unsigned,
    ended: unsigned,
    gapMs: optional(unsigned),
    bytes: optional(unsigned),
  },
};

const checks = new Map(
  Object.entries(catalogue).map(([kind, fields]) => [
    kind,
    new Map<string, FieldCheck>(Object.entries(fields)),
  ]),
);

/** Deepest is a world's config, within its field. */
const SCAN_LIMITS = { maxDepth: 18, maxItems: 100_000 } as const;

/** The field of a record that is wrong and why, or undefined. */
export function recordProblem(
  kind: RecordKind,
  value: unknown,
): { readonly field: string; readonly problem: string } | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { field: "", problem: "a map is needed" };
  const fields = checks.get(kind) ?? new Map<string, FieldCheck>();
  const given = new Map<string, unknown>(Object.entries(value));
  for (const [field, content] of given) {
    if (content === undefined) continue;
    const check = fields.get(field);
    if (check === undefined) return { field: field.slice(0, 40), problem: "no such field" };
    const problem = check(content);
    if (problem !== undefined) return { field, problem };
  }
  for (const [field, check] of fields)
    if (given.get(field) === undefined && !isOptional(check))
      return { field, problem: "is missing" };
  return undefined;
}

/** Bytes of their own. @throws RecordError, which names the field. */
export function encodeRecord<K extends RecordKind>(kind: K, value: Records[K]): Uint8Array {
  const wrong = recordProblem(kind, value);
  if (wrong !== undefined) throw new RecordError(kind, wrong.field, wrong.problem);
  const map: { [field: string]: unknown } = {};
  for (const [field, content] of Object.entries(value)) {
    if (content === undefined) continue;
    map[field] = field === "config" ? toPlain(content) : withWireIntegers(content);
  }
  const bytes = encodeCbor(map).slice();
  if (bytes.length > MAX_VALUE_BYTES)
    throw new RecordError(kind, "", `${bytes.length} bytes are too many`);
  return bytes;
}

/** The record of bytes from anywhere; never throws. Byte strings are views into `bytes`. */
export function decodeRecord<K extends RecordKind>(
  kind: K,
  bytes: Uint8Array,
): DecodedRecord<Records[K]> {
  if (bytes.length > MAX_VALUE_BYTES) return bad(kind, `${bytes.length} bytes are too many`);
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  if (!decoded.ok) return bad(kind, decoded.problem);
  const wrong = recordProblem(kind, decoded.value);
  if (wrong !== undefined) {
    const { field, problem } = wrong;
    return bad(field === "" ? kind : `${kind}.${field}`, problem);
  }
  const checked = decoded.value as Records[K];
  if (Object.keys(checked).length !== decoded.entries) return bad(kind, "a field stands twice");
  return { ok: true, record: checked };
}

function bad(place: string, problem: string): DecodedRecord<never> {
  return { ok: false, code: "bad-record", problem: `${place}: ${problem}` };
}
