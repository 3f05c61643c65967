import { decodeCbor, encodeCbor, withWireIntegers } from "../../wire/cbor.ts";
import {
  boolean,
  type FieldCheck,
  listOf,
  optional,
  text,
  unsigned,
  word,
} from "../../wire/field-checks.ts";
import { MAX_CALL_BYTES, MAX_NAME_BYTES } from "../../wire/link-codec.ts";
import { ControlError } from "../control-error.ts";
import {
  type Change,
  type LeaderInfo,
  MAX_RANGE_ITEMS,
  type RangeRequest,
  type RangeResult,
  type Revision,
  type TxnRequest,
  type TxnResult,
  type WatchRequest,
} from "../control-store.ts";
import { MAX_ADDRESS_BYTES, MAX_BOOT_BYTES, MAX_RECORD_LEASE_MS } from "../records.ts";
import {
  checkRange,
  checkTxn,
  checkWatch,
  controlKey,
  exactly,
  itemCheck,
  requestId,
  variants,
} from "../request-checks.ts";
import {
  MAX_ASLEEP_NAMES,
  MAX_MIGRATION_REPORTS,
  MAX_PROBLEM_LETTERS,
  MAX_SHARD_PROBLEMS,
  MIGRATION_PHASES,
  type RenewalAnswer,
  type RenewalRequest,
} from "./renewal.ts";

/**
 * What nodes ask apiservers over the channel `control`, and what they are told: one CBOR map each, under the
 * names below. docs/links.md has the table. Fields that are not known are refused: a field that comes later
 * raises CONTROL_CALLS_VERSION, and is sent to who said so only.
 *
 * Version 2 has `migrations` in renewals, version 3 `asleep`.
 */
export const CONTROL_CALLS_VERSION = 3;
export const OLDEST_CONTROL_CALLS_VERSION = 1;
/** The version that renewals have `migrations` since. */
export const MIGRATIONS_SINCE_VERSION = 2;
/** The version that renewals have `asleep` since. */
export const ASLEEP_SINCE_VERSION = 3;

/** Apiservers of a cluster that are told. */
export const MAX_APISERVERS = 64;
/** A world's name, and the number of its shard. */
const MAX_SHARD_BYTES = MAX_NAME_BYTES + 8;
const MAX_MIGRATION_ID_BYTES = 16;
/** Software and version of a process, for logs. */
const MAX_SOFTWARE_BYTES = 128;
/** Changes that one answer may tell; what waits for a watch at an apiserver is bounded well below. */
const MAX_EVENT_CHANGES = 32_768;
/** Room for a full event, whose changes have 15 keys and values each. */
const SCAN_LIMITS = { maxDepth: 5, maxItems: 16 * (MAX_EVENT_CHANGES + 1) } as const;

export interface HelloRequest {
  /** Versions of these calls that the node speaks, all from one to the other. */
  readonly versions: { readonly oldest: number; readonly newest: number };
  /** The cluster that the node takes itself for a member of. */
  readonly cluster?: string | undefined;
  readonly software: string;
}

export interface HelloAnswer extends Led {
  readonly version: number;
  readonly cluster: string;
  readonly node: string;
  readonly software: string;
}

export interface ApiserverMember {
  readonly node: string;
  /** host:port where it takes links. */
  readonly address: string;
}

/** An answer of a store says who leads, as far as is known there. */
export interface Led {
  readonly leader?: LeaderInfo | undefined;
}

/** `watch` is of the node's choice, unlike any before on whatever link. */
export type OpenWatch = WatchRequest & { readonly watch: string };

export type WatchNews =
  /** Without changes only the revision has moved, or not even that. */
  | ({
      readonly type: "changed";
      readonly revision: Revision;
      readonly changes: readonly Change[];
    } & Led)
  /** The watch is over. */
  | { readonly type: "compacted"; readonly revision: Revision }
  /** There is no such watch here (any more): it may begin again behind its revision. */
  | { readonly type: "ended" };

interface Codec<T> {
  /** Bytes of their own. @throws ControlError "bad-request" and as the checks do, RangeError when it is too long */
  encode(value: T): Uint8Array;
  /** Byte strings are views into `bytes`. @throws ControlError "bad-request", and as the checks do */
  decode(bytes: Uint8Array): T;
}

const name = text(1, MAX_NAME_BYTES);
const software = text(1, MAX_SOFTWARE_BYTES);
const led = { leader: optional(exactly({ node: name, term: unsigned })) };
const figure: FieldCheck = (value) =>
  typeof value === "number" && Number.isFinite(value) && value >= 0
    ? undefined
    : "a number from 0 is needed";

const changeCheck = variants({
  put: { item: itemCheck },
  delete: { key: controlKey, modified: unsigned },
});

export const helloRequest = codec<HelloRequest>(
  "hello",
  exactly({
    versions: exactly({ oldest: unsigned, newest: unsigned }),
    cluster: optional(name),
    software,
  }),
);
export const helloAnswer = codec<HelloAnswer>(
  "hello",
  exactly({ version: unsigned, cluster: name, node: name, software, ...led }),
);

/** Of requests and answers that say nothing but what they are. */
export const nothing = codec<{ readonly [never: string]: never }>("nothing", exactly({}));

export const membersAnswer = codec<{ readonly members: readonly ApiserverMember[] }>(
  "members",
  exactly({
    members: listOf(MAX_APISERVERS, exactly({ node: name, address: text(1, MAX_ADDRESS_BYTES) })),
  }),
);

export const rangeRequest = checkedBy<RangeRequest>("range", checkRange);
export const rangeAnswer = codec<RangeResult & Led>(
  "range",
  exactly({
    revision: unsigned,
    items: listOf(MAX_RANGE_ITEMS, itemCheck),
    more: boolean,
    ...led,
  }),
);

export const txnRequest = checkedBy<TxnRequest>("transaction", checkTxn);
export const txnAnswer = codec<TxnResult & Led>(
  "transaction",
  exactly({ succeeded: boolean, revision: unsigned, ...led }),
);

export const watchRequest = checkedBy<OpenWatch>("watch", ({ watch, ...request }) => {
  const problem = requestId(watch);
  if (problem !== undefined) throw bad("watch", `watch: ${problem}`);
  checkWatch(request);
});
/** `revision`: where it begins. */
export const watchAnswer = codec<{ readonly revision: Revision } & Led>(
  "watch",
  exactly({ revision: unsigned, ...led }),
);

export const watchName = codec<{ readonly watch: string }>(
  "the name of a watch",
  exactly({ watch: requestId }),
);
export const watchNews = codec<WatchNews>(
  "watch-next",
  variants({
    changed: { revision: unsigned, changes: listOf(MAX_EVENT_CHANGES, changeCheck), ...led },
    compacted: { revision: unsigned },
    ended: {},
  }),
);

const shardName = text(1, MAX_SHARD_BYTES);
const renewalFields = {
  boot: text(1, MAX_BOOT_BYTES),
  number: unsigned,
  load: exactly({
    sessions: figure,
    memoryBytes: figure,
    busy: figure,
    tickMs: figure,
    bytesPerSecond: figure,
  }),
  problems: optional(
    listOf(
      MAX_SHARD_PROBLEMS,
      exactly({ shard: shardName, problem: text(1, 3 * MAX_PROBLEM_LETTERS) }),
    ),
  ),
  migrations: optional(
    listOf(
      MAX_MIGRATION_REPORTS,
      exactly({
        shard: shardName,
        id: text(1, MAX_MIGRATION_ID_BYTES),
        phase: word(...MIGRATION_PHASES),
        bytes: unsigned,
        totalBytes: unsigned,
        lagTicks: unsigned,
      }),
    ),
  ),
  asleep: optional(
    exactly({
      after: optional(shardName),
      through: optional(shardName),
      shards: listOf(MAX_ASLEEP_NAMES, shardName),
    }),
  ),
};
export const renewalRequest = codec<RenewalRequest>("renew", exactly(renewalFields));
/** As an apiserver hands it on to the leader. */
export const nodeRenewal = codec<RenewalRequest & { readonly node: string }>(
  "renew",
  exactly({ node: name, ...renewalFields }),
);

const granted = exactly({
  ok: boolean,
  number: unsigned,
  leaseMs: (value) =>
    unsigned(value) ??
    (Number(value) <= MAX_RECORD_LEASE_MS ? undefined : `at most ${MAX_RECORD_LEASE_MS}`),
});
const denied = exactly({ ok: boolean, code: word("not-leader", "unknown-node", "lost") });
export const renewalAnswer = codec<RenewalAnswer>("renew", (value) =>
  typeof value === "object" && value !== null && "ok" in value && value.ok === true
    ? granted(value)
    : denied(value),
);

function codec<T extends object>(what: string, check: FieldCheck): Codec<T> {
  return checkedBy<T>(what, (value) => {
    const problem = check(value);
    if (problem !== undefined) throw bad(what, problem);
  });
}

function checkedBy<T extends object>(what: string, check: (value: T) => void): Codec<T> {
  return {
    encode: (value) => {
      check(value);
      const bytes = encodeCbor(withWireIntegers(value));
      if (bytes.length > MAX_CALL_BYTES)
        throw new RangeError(`${what}: ${bytes.length} bytes; at most ${MAX_CALL_BYTES}`);
      // The encoder's buffer is shared, and links may keep what they are given.
      return bytes.slice();
    },
    decode: (bytes) => {
      const decoded = decodeCbor(bytes, SCAN_LIMITS);
      if (!decoded.ok) throw bad(what, decoded.problem);
      const { value } = decoded;
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw bad(what, "a map is needed");
      if (Object.keys(value).length !== decoded.entries) throw bad(what, "a field stands twice");
      // The check looks at every field, whatever it is.
      check(value as T);
      return value as T;
    },
  };
}

function bad(what: string, problem: string): ControlError {
  return new ControlError("bad-request", `${what}: ${problem}`);
}
