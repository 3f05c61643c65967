import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import {
  asBuffer,
  BadFile,
  encodeBeginning,
  endOfHeader,
  HeaderReader,
  headerJson,
  isZero,
} from "@atlasnet/core/system";
import type { Position } from "./position.ts";

export interface JournalHeader {
  world: string;
  shard: string;
  /** The epoch in which its deltas were made. */
  epoch: number;
  timeline: number;
  /** The state its first delta applies to: a snapshot's, or one that an earlier journal reaches. */
  base: Position;
}

export interface JournalRecord {
  /** The tick of the record before (of the base, for the first): a chain without holes. */
  previousTick: number;
  tick: number;
  bytes: Uint8Array;
}

/** What could be read of a journal. */
export interface Journal {
  header: JournalHeader;
  records: JournalRecord[];
  /** The file up to the end of its last good record. */
  good: Uint8Array;
  /** Why reading ended before the end of the file. */
  problem?: { message: string; torn: boolean; atByte: number };
}

/**
 * The journal file:
 *
 *     beginning  magic "ATLJRNL\n", format version 1, JSON header (file-format.ts)
 *     u32        CRC-32 of the beginning
 *     records    each:  u32 length of the delta
 *                       u64 tick before, u64 tick
 *                       the delta, opaque here
 *                       u32 CRC-32 of the record, begun with the value of the one before
 *
 * The checksums are chained, so a record counts only behind exactly the records it was written
 * behind: old disk blocks that show up in a torn file never pass for a continuation. Reading ends at
 * the first record that is not whole; a file is never continued after a restart.
 */
const MAGIC = "ATLJRNL\n";
const VERSION = 1;
const CRC_BYTES = 4;
const RECORD_HEAD_BYTES = 4 + 8 + 8;
/** What a record takes beside its delta. */
export const RECORD_OVERHEAD_BYTES = RECORD_HEAD_BYTES + CRC_BYTES;

/** Makes a journal's bytes piece by piece; keeps the chain of checksums. */
export class JournalEncoder {
  private crc = 0;

  begin(header: JournalHeader): Uint8Array {
    const beginning = encodeBeginning(MAGIC, VERSION, header);
    this.crc = crc32(beginning);
    const crc = Buffer.alloc(CRC_BYTES);
    crc.writeUInt32LE(this.crc);
    return Buffer.concat([beginning, crc]);
  }

  records(records: readonly JournalRecord[]): Uint8Array {
    let length = 0;
    for (const { bytes } of records) length += RECORD_OVERHEAD_BYTES + bytes.length;
    const out = Buffer.allocUnsafe(length);
    let at = 0;
    for (const { previousTick, tick, bytes } of records) {
      const end = at + RECORD_HEAD_BYTES + bytes.length;
      out.writeUInt32LE(bytes.length, at);
      out.writeBigUInt64LE(BigInt(previousTick), at + 4);
      out.writeBigUInt64LE(BigInt(tick), at + 12);
      out.set(bytes, at + RECORD_HEAD_BYTES);
      this.crc = crc32(out.subarray(at, end), this.crc);
      out.writeUInt32LE(this.crc, end);
      at = end + CRC_BYTES;
    }
    return out;
  }
}

/** The deltas are views into `bytes`. @throws BadFile, NewerFormat when not even the header is good */
export function decodeJournal(bytes: Uint8Array): Journal {
  const file = asBuffer(bytes);
  const crcAt = endOfHeader(MAGIC, VERSION, file);
  if (file.length < crcAt + CRC_BYTES) throw new BadFile("ends within its header", true);
  let crc = crc32(file.subarray(0, crcAt));
  if (crc !== file.readUInt32LE(crcAt))
    throw new BadFile("header does not match its checksum", isZero(file.subarray(crcAt)));
  const reader = new HeaderReader(headerJson(file, crcAt));
  const base = reader.nested("base");
  const header: JournalHeader = {
    world: reader.text("world"),
    shard: reader.text("shard"),
    epoch: reader.count("epoch"),
    timeline: reader.count("timeline"),
    base: { epoch: base.count("epoch"), tick: base.count("tick") },
  };
  const journal: Journal = { header, records: [], good: bytes };
  let tip = header.base.tick;
  let at = crcAt + CRC_BYTES;
  const stop = (message: string, torn: boolean): Journal => ({
    ...journal,
    good: bytes.subarray(0, at),
    problem: { message: `record ${journal.records.length + 1} ${message}`, torn, atByte: at },
  });
  while (at < file.length) {
    const rest = file.length - at;
    const length = rest < RECORD_OVERHEAD_BYTES ? 0 : file.readUInt32LE(at);
    if (rest < RECORD_OVERHEAD_BYTES + length) return stop("ends too early", true);
    const end = at + RECORD_HEAD_BYTES + length;
    crc = crc32(file.subarray(at, end), crc);
    if (crc !== file.readUInt32LE(end))
      return stop("does not match its checksum", isZero(file.subarray(end)));
    const previousTick = Number(file.readBigUInt64LE(at + 4));
    const tick = Number(file.readBigUInt64LE(at + 12));
    if (previousTick !== tip || tick <= tip) return stop(`does not follow tick ${tip}`, false);
    journal.records.push({ previousTick, tick, bytes: bytes.subarray(at + 20, end) });
    tip = tick;
    at = end + CRC_BYTES;
  }
  return journal;
}
