import { canonicalJson, parseDefinition } from "@atlasnet/world";
import { decodeCbor, encodeCbor, wireInteger, withWireIntegers } from "./cbor.ts";
import {
  boolean,
  byteString,
  closeCode,
  definition,
  type FieldCheck,
  isOptional,
  listOf,
  optional,
  plain,
  record,
  since,
  sinceVersion,
  text,
  unsigned,
  word,
} from "./field-checks.ts";
import type { LinkMessage } from "./link-messages.ts";
import { LINK_VERSIONS } from "./link-version.ts";
import { toPlain } from "./plain.ts";
import { MAX_PAYLOAD_BYTES } from "./upstream.ts";

/**
 * Link messages as bytes: one CBOR map each, with the fields of link-messages.ts, group-messages.ts and
 * replica-messages.ts under their names.
 * Both directions check every field; unknown fields, unknown types and absent fields are refused.
 */

/** Most bytes of an encoded link message. A link refuses what is longer before it reads it. */
export const MAX_LINK_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Most bytes of the packed part of `upstream` and `downstream`; the rest takes far below 1 KiB. */
export const MAX_BATCH_BYTES = MAX_LINK_MESSAGE_BYTES - 1024;
export const MAX_ACCOUNT_BYTES = 128;
/** Display name of a player. */
export const MAX_PLAYER_NAME_BYTES = 256;
/** Name of a shard, a world or a topic. */
export const MAX_NAME_BYTES = 128;
/** Reason of `closed`; longer ones are clipped by whoever makes them (`clipText`). */
export const MAX_REASON_BYTES = 1024;
/** Text of a notice; clipped likewise. */
export const MAX_NOTICE_BYTES = 16_384;
/** The ticket's `data` claim: 1 KiB of JSON takes less than this in CBOR. */
export const MAX_TICKET_DATA_BYTES = 4096;
/** Shards of one gameserver in `hosting`. */
export const MAX_HOSTED_SHARDS = 16_384;
/** Marks of traced messages in one upstream batch. */
export const MAX_TRACE_BYTES = 1024;
/** Most bytes of a piece of a shard's state. */
export const MAX_REPLICA_PIECE_BYTES = 256 * 1024;
/** Most bytes of what one tick changed. */
export const MAX_REPLICA_DELTA_BYTES = MAX_BATCH_BYTES;
/** Most bytes of a consensus message: a batch of entries and one entry beyond it take far less. */
export const MAX_RAFT_BYTES = 8 * 1024 * 1024;
/** Most bytes of a question between apiservers, and of its answer. */
export const MAX_CALL_BYTES = 8 * 1024 * 1024;
/** Method of a call, code of an answer. */
export const MAX_CALL_WORD_BYTES = 64;
/** Six sections of a shard's state, 8 bytes for each. */
const SECTION_HASHES_BYTES = 48;
/** Values and depth of a definition, the deepest thing in a link message. */
const SCAN_LIMITS = { maxDepth: 20, maxItems: 200_000 } as const;

type Fields<M> = { readonly [K in Exclude<keyof M, "type">]-?: FieldCheck };
type Catalogue = {
  readonly [T in LinkMessage["type"]]: Fields<Extract<LinkMessage, { type: T }>>;
};

const name = text(1, MAX_NAME_BYTES);
const aboutShard = { shard: name, epoch: unsigned };
const aboutAttach = { ...aboutShard, attach: unsigned };
const batch = byteString(0, MAX_BATCH_BYTES);
const callWord = text(1, MAX_CALL_WORD_BYTES);
const aboutCall = { group: name, id: unsigned, body: byteString(0, MAX_CALL_BYTES) };

const catalogue: Catalogue = {
  attach: {
    ...aboutAttach,
    account: text(1, MAX_ACCOUNT_BYTES),
    name: text(0, MAX_PLAYER_NAME_BYTES),
    data: plain(MAX_TICKET_DATA_BYTES),
    session: optional(unsigned),
    stream: byteString(8, 8),
    attempt: unsigned,
    firstUnacked: unsigned,
    lastReceived: unsigned,
    timeline: optional(unsigned),
    welcomed: since(4, optional(unsigned)),
    schema: optional(byteString(8, 8)),
    params: optional(byteString(0, MAX_PAYLOAD_BYTES)),
  },
  watch: { ...aboutAttach, topic: name, authorized: boolean },
  detach: aboutAttach,
  leave: aboutAttach,
  upstream: { ...aboutShard, batch, trace: since(2, optional(byteString(1, MAX_TRACE_BYTES))) },
  attached: {
    ...aboutAttach,
    session: unsigned,
    account: text(1, MAX_ACCOUNT_BYTES),
    name: text(0, MAX_PLAYER_NAME_BYTES),
    attempt: unsigned,
    timeline: unsigned,
    tick: unsigned,
    tickRate: unsigned,
    schema: byteString(8, 8),
    definition: optional(definition),
    appliedSeq: unsigned,
    outSeq: unsigned,
    lastInput: unsigned,
    graceTicks: unsigned,
  },
  watching: { ...aboutAttach, definition },
  closed: { ...aboutAttach, code: closeCode, reason: text(0, MAX_REASON_BYTES) },
  transfer: { ...aboutAttach, world: name },
  notice: { ...aboutShard, kind: word("dev-error"), text: text(0, MAX_NOTICE_BYTES) },
  downstream: { ...aboutShard, batch, ageMs: optional(unsigned) },
  "shard-reset": aboutShard,
  hosting: {
    worlds: listOf(MAX_HOSTED_SHARDS, record({ world: name, shard: name, epoch: unsigned })),
  },
  placed: { world: name, shard: name, epoch: unsigned },
  "shard-sealed": { ...aboutShard, to: name },
  "shard-unsealed": aboutShard,
  "replica-open": {
    ...aboutShard,
    id: name,
    boot: name,
    copy: optional(unsigned),
    bytes: optional(unsigned),
    tick: optional(unsigned),
  },
  "replica-ack": { ...aboutShard, copy: unsigned, bytes: unsigned, tick: unsigned },
  "replica-ready": { ...aboutShard, copy: unsigned },
  "replica-done": { ...aboutShard, owner: unsigned },
  "replica-close": {
    ...aboutShard,
    id: name,
    code: word(
      "unknown-ticket",
      "ended",
      "wrong-epoch",
      "superseded",
      "bad-data",
      "hash-differs",
      "wrong-module",
      "too-slow",
      "failed",
    ),
    reason: text(0, MAX_REASON_BYTES),
  },
  "replica-copy": {
    ...aboutShard,
    copy: unsigned,
    tick: unsigned,
    bytes: unsigned,
    offset: unsigned,
    timeline: unsigned,
    tickRate: unsigned,
    definition,
  },
  "replica-piece": {
    ...aboutShard,
    copy: unsigned,
    offset: unsigned,
    data: byteString(0, MAX_REPLICA_PIECE_BYTES),
    crc: unsigned,
    last: boolean,
  },
  "replica-delta": {
    ...aboutShard,
    previous: unsigned,
    tick: unsigned,
    data: byteString(0, MAX_REPLICA_DELTA_BYTES),
    crc: unsigned,
    hash: optional(byteString(16, 16)),
    sections: optional(byteString(SECTION_HASHES_BYTES, SECTION_HASHES_BYTES)),
  },
  "replica-pulse": { ...aboutShard, copy: unsigned },
  "replica-sealed": {
    ...aboutShard,
    tick: unsigned,
    hash: byteString(16, 16),
    sections: optional(byteString(SECTION_HASHES_BYTES, SECTION_HASHES_BYTES)),
    dueMs: unsigned,
    keeps: optional(boolean),
  },
  raft: { group: name, body: byteString(1, MAX_RAFT_BYTES) },
  call: { ...aboutCall, method: callWord },
  answer: { ...aboutCall, code: callWord },
};

/** Messages that came after version 1: a peer of an older version is not sent them. */
const MESSAGES_SINCE: ReadonlyMap<string, number> = new Map([
  ["raft", 3],
  ["call", 3],
  ["answer", 3],
  ["placed", 4],
  ["shard-sealed", 4],
  ["shard-unsealed", 4],
  ["replica-open", 4],
  ["replica-ack", 4],
  ["replica-ready", 4],
  ["replica-done", 4],
  ["replica-close", 4],
  ["replica-copy", 4],
  ["replica-piece", 4],
  ["replica-delta", 4],
  ["replica-pulse", 4],
  ["replica-sealed", 4],
]);

/** Whether a peer that speaks `version` knows messages of this type. */
export function isSpoken(type: LinkMessage["type"], version: number): boolean {
  return (MESSAGES_SINCE.get(type) ?? 1) <= version;
}

/** @throws LinkMessageError when the type came later than `version`: who sends it has made a mistake. */
export function requireSpoken(type: LinkMessage["type"], version: number): void {
  if (!isSpoken(type, version))
    throw new LinkMessageError(
      `${type} came with version ${MESSAGES_SINCE.get(type)}, the peer speaks ${version}`,
    );
}

const checks = new Map(
  Object.entries(catalogue).map(([type, fields]) => [
    type,
    new Map<string, FieldCheck>(Object.entries(fields)),
  ]),
);

export type DecodedLinkMessage =
  | { ok: true; message: LinkMessage }
  | { ok: false; code: "bad-message"; problem: string };

/** A message this process made does not keep its own bounds: a fault of the sender's code. */
export class LinkMessageError extends Error {
  readonly code = "bad-message";
  constructor(problem: string) {
    super(`link message: ${problem}`);
    this.name = "LinkMessageError";
  }
}

/** What is wrong with a value as a link message of a protocol version, or undefined. */
export function linkMessageProblem(
  value: unknown,
  version: number = LINK_VERSIONS.newest,
): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return "a map with a type is needed";
  const type: unknown = "type" in value ? value.type : undefined;
  const fields = typeof type === "string" ? checks.get(type) : undefined;
  if (fields === undefined || (MESSAGES_SINCE.get(String(type)) ?? 1) > version)
    return `unknown type ${String(type).slice(0, 40)}`;
  const seen = new Set<string>();
  for (const [key, field] of Object.entries(value)) {
    if (key === "type" || field === undefined) continue;
    const check = fields.get(key);
    if (check === undefined || sinceVersion(check) > version)
      return `${type}: unknown field ${key.slice(0, 40)}`;
    const problem = check(field);
    if (problem !== undefined) return `${type}.${key}: ${problem}`;
    seen.add(key);
  }
  if (seen.size < fields.size)
    for (const [key, check] of fields)
      if (!seen.has(key) && !isOptional(check)) return `${type}.${key}: is missing`;
  return undefined;
}

/**
 * The message as bytes for a peer that speaks `version`: fields that came later are left out.
 * @throws LinkMessageError when a field is out of its bounds, or the whole message came later.
 */
export function encodeLinkMessage(
  message: LinkMessage,
  version: number = LINK_VERSIONS.newest,
): Uint8Array {
  const problem = linkMessageProblem(message);
  if (problem !== undefined) throw new LinkMessageError(problem);
  requireSpoken(message.type, version);
  const fields = checks.get(message.type);
  const map: { [key: string]: unknown } = {};
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const check = fields?.get(key);
    if (check !== undefined && sinceVersion(check) > version) continue;
    if (typeof value === "number") map[key] = wireInteger(value);
    else if (message.type === "attach" && key === "data") map[key] = toPlain(value);
    // Definitions are JSON-like; this drops entries that are undefined.
    else if (key === "definition") map[key] = JSON.parse(canonicalJson(value));
    else if (key === "worlds") map[key] = withWireIntegers(value);
    else map[key] = value;
  }
  return encodeCbor(map);
}

/**
 * Decodes bytes from a peer; never throws. Byte strings of the message are views into `bytes`, which
 * therefore must not change any more.
 */
export function decodeLinkMessage(
  bytes: Uint8Array,
  version: number = LINK_VERSIONS.newest,
): DecodedLinkMessage {
  if (bytes.length > MAX_LINK_MESSAGE_BYTES) return bad(`${bytes.length} bytes are too many`);
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  if (!decoded.ok) return decoded;
  const problem = linkMessageProblem(decoded.value, version);
  if (problem !== undefined) return bad(problem);
  const message = decoded.value as LinkMessage;
  if (Object.keys(message).length !== decoded.entries) return bad("a field stands twice");
  // Definitions lose what does not belong to them.
  if ("definition" in message && message.definition !== undefined)
    message.definition = parseDefinition(message.definition);
  return { ok: true, message };
}

function bad(problem: string): DecodedLinkMessage {
  return { ok: false, code: "bad-message", problem };
}
