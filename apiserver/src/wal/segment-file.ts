import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { SECTOR_BYTES } from "@atlasnet/core";
import {
  asBuffer,
  BadFile,
  encodeBeginning,
  endOfHeader,
  HeaderReader,
  headerJson,
} from "@atlasnet/core/system";
import { type LogIdentity, readIdentity } from "./log-identity.ts";
import type { TipState } from "./log-tip.ts";
import type { CheckpointRef } from "./record.ts";

/**
 * A segment of the log:
 *
 *     beginning  magic "ATLRAFT\n", format version 1, JSON header (core's file-format.ts)
 *     u32        CRC-32 of the beginning, then zeros up to a multiple of 512
 *     frames     one behind the other (frame.ts)
 *     zeros      up to the allocated length
 *
 * It gets its name once its header and first frame are durable, and its length never changes, so
 * a file that is shorter or has a bad header was damaged. A segment counts up to the frame before the
 * first one of a later segment: what is behind there was torn, or was written again.
 */
const MAGIC = "ATLRAFT\n";
const VERSION = 1;
const CRC_BYTES = 4;
/** A header has two ids, a vote and two checkpoints; ids have at most 128 letters. */
export const MAX_SEGMENT_HEADER_BYTES = 8 * 1024;

export interface SegmentHeader {
  readonly identity: LogIdentity;
  /** The number in its name: a renamed file is found out. */
  readonly number: number;
  /** How often this log was opened, this time included. */
  readonly life: number;
  /** Begins every checksum of a frame. */
  readonly salt: number;
  /** Allocated length of the file. */
  readonly bytes: number;
  readonly firstSequence: number;
  /** So many frames were synced before the file got its name: no crash can have torn them. */
  readonly wholeFrames: number;
  /** The log before the first frame. */
  readonly tip: TipState;
}

export function encodeSegmentHeader({ identity, tip, ...rest }: SegmentHeader): Buffer {
  const beginning = encodeBeginning(MAGIC, VERSION, { ...identity, ...rest, ...tip });
  const used = beginning.length + CRC_BYTES;
  const out = Buffer.alloc(Math.ceil(used / SECTOR_BYTES) * SECTOR_BYTES);
  beginning.copy(out);
  out.writeUInt32LE(crc32(beginning), beginning.length);
  return out;
}

/**
 * The header, and where the frames begin. `bytes` is the file's beginning, MAX_SEGMENT_HEADER_BYTES of
 * it or all. @throws BadFile, NewerFormat
 */
export function decodeSegmentHeader(bytes: Uint8Array): { header: SegmentHeader; at: number } {
  const file = asBuffer(bytes);
  const end = endOfHeader(MAGIC, VERSION, file);
  if (file.length < end + CRC_BYTES) throw new BadFile("ends within its header");
  if (crc32(file.subarray(0, end)) !== file.readUInt32LE(end))
    throw new BadFile("the header does not match its checksum");
  const reader = new HeaderReader(headerJson(file, end));
  const hardState = reader.nested("hardState");
  return {
    at: Math.ceil((end + CRC_BYTES) / SECTOR_BYTES) * SECTOR_BYTES,
    header: {
      identity: readIdentity(reader),
      number: reader.count("number"),
      life: reader.count("life"),
      salt: reader.count("salt"),
      bytes: reader.count("bytes"),
      firstSequence: reader.count("firstSequence"),
      wholeFrames: reader.count("wholeFrames"),
      tip: {
        hardState: { term: hardState.count("term"), vote: hardState.text("vote") },
        lastIndex: reader.count("lastIndex"),
        checkpoints: readCheckpoints(reader.raw("checkpoints")),
      },
    },
  };
}

function readCheckpoints(value: unknown): CheckpointRef[] {
  if (!Array.isArray(value)) throw new BadFile('header has no list "checkpoints"');
  return value.map((item: unknown) => {
    const reader = new HeaderReader(item);
    return {
      index: reader.count("index"),
      term: reader.count("term"),
      size: reader.count("size"),
      id: reader.count("id"),
    };
  });
}
