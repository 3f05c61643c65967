import { decodeMembers, encodeMembers, MembersFormatError } from "../core/members-codec.ts";
import type { RaftMessage } from "../core/messages.ts";
import type { Checkpoint, Entry } from "../core/types.ts";
import { ByteReader, UnreadableBytes } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/**
 * Raft messages as bytes: a number for the type, the sender's term and incarnation, and the fields
 * of the type in the order of the table. Sender and receiver are left out: the link proves who they are.
 * Numbers are unsigned LEB128. Entries follow `prevIndex` without gaps, so they have no index of their own.
 */
type FieldKind = "number" | "boolean" | "entries" | "checkpoint" | "bytes";
type Body<M> = Exclude<keyof M, "type" | "from" | "to" | "term" | "incarnation">;
type Layouts = {
  readonly [T in RaftMessage["type"]]: {
    readonly [K in Body<Extract<RaftMessage, { type: T }>>]: FieldKind;
  };
};

/** New types go to the end, and come with a new version of the link protocol. */
const LAYOUTS: Layouts = {
  "pre-vote": { forTerm: "number", lastIndex: "number", lastTerm: "number" },
  "pre-vote-answer": { forTerm: "number", granted: "boolean" },
  vote: { lastIndex: "number", lastTerm: "number", transfer: "boolean" },
  "vote-answer": { granted: "boolean" },
  append: { prevIndex: "number", prevTerm: "number", commit: "number", entries: "entries" },
  "append-ok": { match: "number", newLog: "boolean" },
  "append-refused": { prevIndex: "number", hintIndex: "number", hintTerm: "number" },
  heartbeat: { match: "number", commit: "number", round: "number" },
  "heartbeat-answer": { round: "number" },
  "checkpoint-chunk": {
    checkpoint: "checkpoint",
    offset: "number",
    length: "number",
    commit: "number",
    data: "bytes",
  },
  "checkpoint-answer": { index: "number", offset: "number" },
  "timeout-now": {},
  "stale-term": {},
  retire: { retired: "number" },
};
const TYPES = Object.keys(LAYOUTS);
const FIELDS: ReadonlyMap<string, readonly (readonly [string, FieldKind])[]> = new Map(
  Object.entries(LAYOUTS).map(([type, layout]) => [type, Object.entries(layout)]),
);
const ENTRY_TYPES = ["command", "no-op", "members"] as const;
const NO_FIELDS: readonly (readonly [string, FieldKind])[] = [];

export interface Ends {
  readonly from: string;
  readonly to: string;
}

export type DecodedRaftMessage =
  | { readonly ok: true; readonly message: RaftMessage }
  | { readonly ok: false; readonly problem: string };

export function encodeRaftMessage(message: RaftMessage): Uint8Array {
  const writer = new ByteWriter(sizeOf(message));
  writer.number(TYPES.indexOf(message.type));
  writer.number(message.term);
  writer.number(message.incarnation);
  const values = new Map<string, unknown>(Object.entries(message));
  for (const [name, kind] of FIELDS.get(message.type) ?? NO_FIELDS)
    if (kind === "number") writer.number(Number(values.get(name)));
    else if (kind === "boolean") writer.byte(values.get(name) === true ? 1 : 0);
    else if (message.type === "append") writeEntries(writer, message);
    else if (message.type !== "checkpoint-chunk") throw new Error(`${message.type} has no ${name}`);
    else if (kind === "checkpoint") writeCheckpoint(writer, message.checkpoint);
    else writer.block(message.data);
  return writer.finish();
}

/** Never throws. Data of entries and chunks are views into `bytes`. */
export function decodeRaftMessage(bytes: Uint8Array, { from, to }: Ends): DecodedRaftMessage {
  const reader = new ByteReader(bytes);
  try {
    const type = TYPES[reader.number()];
    if (type === undefined) return { ok: false, problem: "raft message: its type is not known" };
    const fields: { [name: string]: unknown } = { type, from, to };
    fields["term"] = reader.number();
    fields["incarnation"] = reader.number();
    for (const [name, kind] of FIELDS.get(type) ?? NO_FIELDS)
      fields[name] = readField(reader, kind, fields);
    if (reader.left > 0) throw new UnreadableBytes(`${reader.left} bytes follow its end`);
    // The table above has every field of every type, which the compiler has checked.
    return { ok: true, message: fields as unknown as RaftMessage };
  } catch (error) {
    if (error instanceof UnreadableBytes || error instanceof MembersFormatError)
      return { ok: false, problem: `raft message: ${error.message}` };
    throw error;
  }
}

function readField(
  reader: ByteReader,
  kind: FieldKind,
  before: { readonly [name: string]: unknown },
): unknown {
  switch (kind) {
    case "number":
      return reader.number();
    case "boolean": {
      const value = reader.byte();
      if (value > 1) throw new UnreadableBytes("neither true nor false");
      return value === 1;
    }
    case "bytes":
      return reader.block();
    case "checkpoint":
      return readCheckpoint(reader);
    case "entries":
      return readEntries(reader, Number(before["prevIndex"]));
  }
}

function writeEntries(
  writer: ByteWriter,
  { prevIndex, entries }: Extract<RaftMessage, { type: "append" }>,
): void {
  writer.number(entries.length);
  for (const [at, entry] of entries.entries()) {
    if (entry.index !== prevIndex + 1 + at)
      throw new Error(`entry ${entry.index} does not follow ${prevIndex + at} in an append`);
    writer.byte(ENTRY_TYPES.indexOf(entry.type));
    writer.number(entry.term);
    writer.block(entry.data);
  }
}

function readEntries(reader: ByteReader, prevIndex: number): readonly Entry[] {
  const count = reader.number();
  // Three bytes are the least that an entry takes.
  if (count * 3 > reader.left || prevIndex + count > Number.MAX_SAFE_INTEGER)
    throw new UnreadableBytes(`it cannot have ${count} entries`);
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const type = ENTRY_TYPES[reader.byte()];
    if (type === undefined) throw new UnreadableBytes("an entry has no type that is known");
    entries.push({ type, term: reader.number(), index: prevIndex + 1 + at, data: reader.block() });
  }
  return entries;
}

function writeCheckpoint(writer: ByteWriter, { index, term, members, size }: Checkpoint): void {
  for (const number of [index, term, size]) writer.number(number);
  writer.block(encodeMembers(members));
}

function readCheckpoint(reader: ByteReader): Checkpoint {
  const [index, term, size] = [reader.number(), reader.number(), reader.number()];
  return { index, term, size, members: decodeMembers(reader.block()) };
}

function sizeOf(message: RaftMessage): number {
  if (message.type === "append")
    return message.entries.reduce((sum, { data }) => sum + data.length + 14, 64);
  return message.type === "checkpoint-chunk" ? message.data.length + 1024 : 64;
}
