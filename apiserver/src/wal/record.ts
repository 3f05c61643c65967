import { Buffer } from "node:buffer";
import { asBuffer, BadFile } from "@atlasnet/core/system";
import type { Entry, HardState } from "../raft/core/types.ts";
import { readU64, writeU64 } from "./numbers.ts";

/** A checkpoint as the log names it; the rest is in its file. */
export interface CheckpointRef {
  readonly index: number;
  readonly term: number;
  /** Bytes of the state. */
  readonly size: number;
  /** Tells its file from others of the same index. */
  readonly id: number;
}

/**
 * What the log says, in order.
 * - `truncate`: entries from there on are void. A record of its own, so that an entry out of order
 *   is never taken for an overwriting one.
 * - `checkpoint`: from now on it is the newest; entries up to its index that are not there never
 *   will be.
 * - `drop-checkpoint`: its file is damaged, do not look for it again.
 */
export type LogRecord =
  | { readonly type: "hard-state"; readonly hardState: HardState }
  | { readonly type: "truncate"; readonly from: number }
  | { readonly type: "checkpoint"; readonly checkpoint: CheckpointRef }
  | { readonly type: "drop-checkpoint"; readonly id: number }
  | { readonly type: "entry"; readonly entry: Entry };

/** The first byte of a record; entries by their type. All numbers are little-endian. */
const HARD_STATE = 1; //      u64 term, u16 length, vote in UTF-8
const TRUNCATE = 2; //        u64 from
const CHECKPOINT = 3; //      u64 index, u64 term, u64 size, u32 id
const DROP_CHECKPOINT = 4; // u32 id
const ENTRY_TYPES = { command: 16, "no-op": 17, members: 18 } as const; // u64 term, u64 index, u32 length, data
const ENTRY_HEAD_BYTES = 1 + 8 + 8 + 4;

export function recordBytes(record: LogRecord): number {
  switch (record.type) {
    case "hard-state":
      return 1 + 8 + 2 + Buffer.byteLength(record.hardState.vote);
    case "truncate":
      return 1 + 8;
    case "checkpoint":
      return 1 + 8 + 8 + 8 + 4;
    case "drop-checkpoint":
      return 1 + 4;
    case "entry":
      return ENTRY_HEAD_BYTES + record.entry.data.length;
  }
}

/** Writes a record at a place with room for it; where it ends. */
export function writeRecord(out: Buffer, record: LogRecord, at: number): number {
  switch (record.type) {
    case "hard-state": {
      const { term, vote } = record.hardState;
      out[at] = HARD_STATE;
      writeU64(out, term, at + 1);
      const length = out.write(vote, at + 11, "utf8");
      out.writeUInt16LE(length, at + 9);
      return at + 11 + length;
    }
    case "truncate":
      out[at] = TRUNCATE;
      writeU64(out, record.from, at + 1);
      return at + 9;
    case "checkpoint": {
      const { index, term, size, id } = record.checkpoint;
      out[at] = CHECKPOINT;
      writeU64(out, index, at + 1);
      writeU64(out, term, at + 9);
      writeU64(out, size, at + 17);
      out.writeUInt32LE(id, at + 25);
      return at + 29;
    }
    case "drop-checkpoint":
      out[at] = DROP_CHECKPOINT;
      out.writeUInt32LE(record.id, at + 1);
      return at + 5;
    case "entry": {
      const { term, index, type, data } = record.entry;
      out[at] = ENTRY_TYPES[type];
      writeU64(out, term, at + 1);
      writeU64(out, index, at + 9);
      out.writeUInt32LE(data.length, at + 17);
      out.set(data, at + ENTRY_HEAD_BYTES);
      return at + ENTRY_HEAD_BYTES + data.length;
    }
  }
}

/**
 * The records of a frame; the data of entries are views into it. @throws BadFile when they are none
 * of ours, which behind a good checksum means a fault of the program that wrote them.
 */
export function decodeRecords(bytes: Uint8Array): LogRecord[] {
  const body = asBuffer(bytes);
  const records: LogRecord[] = [];
  let at = 0;
  const take = (count: number): number => {
    const from = at;
    at += count;
    if (at > body.length) throw new BadFile("a record ends beyond its frame");
    return from;
  };
  const number = (): number => {
    const value = readU64(body, take(8));
    if (!Number.isSafeInteger(value)) throw new BadFile("a record has a number beyond 2^53");
    return value;
  };
  while (at < body.length) {
    const type = body.readUInt8(take(1));
    if (type === HARD_STATE) {
      const term = number();
      const length = body.readUInt16LE(take(2));
      const from = take(length);
      const vote = body.toString("utf8", from, from + length);
      records.push({ type: "hard-state", hardState: { term, vote } });
    } else if (type === TRUNCATE) {
      records.push({ type: "truncate", from: number() });
    } else if (type === CHECKPOINT) {
      const [index, term, size] = [number(), number(), number()];
      const id = body.readUInt32LE(take(4));
      records.push({ type: "checkpoint", checkpoint: { index, term, size, id } });
    } else if (type === DROP_CHECKPOINT) {
      records.push({ type: "drop-checkpoint", id: body.readUInt32LE(take(4)) });
    } else {
      const [term, index] = [number(), number()];
      const length = body.readUInt32LE(take(4));
      const from = take(length);
      const data = body.subarray(from, from + length);
      records.push({ type: "entry", entry: { term, index, type: entryType(type), data } });
    }
  }
  return records;
}

function entryType(byte: number): Entry["type"] {
  if (byte === ENTRY_TYPES.command) return "command";
  if (byte === ENTRY_TYPES["no-op"]) return "no-op";
  if (byte === ENTRY_TYPES.members) return "members";
  throw new BadFile(`a record has the unknown type ${byte}`);
}
