import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import {
  asBuffer,
  BadFile,
  encodeBeginning,
  endOfHeader,
  HeaderReader,
  headerJson,
  messageOf,
} from "@atlasnet/core/system";
import { decodeMembers, encodeMembers } from "../raft/core/members-codec.ts";
import type { Members } from "../raft/core/types.ts";
import { type LogIdentity, readIdentity } from "./log-identity.ts";
import { readU64, writeU64 } from "./numbers.ts";

/**
 * A checkpoint:
 *
 *     beginning  magic "ATLCKPT\n", format version 1, JSON header (core's file-format.ts)
 *     u32        CRC-32 of the beginning
 *     chunks     256 KiB of the state each, the last one less; behind each its u32 CRC-32
 *     u64        bytes of the state
 *     u32        CRC-32 of that number
 *
 * A chunk's checksum begins with the file's salt plus the chunk's number, so a chunk counts in its
 * place only. Chunks have one size, so that any offset can be read without those before it.
 */
const MAGIC = "ATLCKPT\n";
const VERSION = 1;
const CRC_BYTES = 4;
export const CHUNK_BYTES = 256 * 1024;
export const TRAILER_BYTES = 8 + CRC_BYTES;
/** The members are in it: at most 64 with ids of 128 letters, far below. */
export const MAX_CHECKPOINT_HEADER_BYTES = 256 * 1024;

export interface CheckpointHeader {
  readonly identity: LogIdentity;
  readonly index: number;
  readonly term: number;
  readonly members: Members;
  readonly salt: number;
}

export function encodeCheckpointHeader(header: CheckpointHeader): Buffer {
  const { identity, index, term, salt } = header;
  const members = Buffer.from(encodeMembers(header.members)).toString("utf8");
  const beginning = encodeBeginning(MAGIC, VERSION, { ...identity, index, term, salt, members });
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32LE(crc32(beginning));
  return Buffer.concat([beginning, crc]);
}

/** The header, and where the chunks begin. @throws BadFile, NewerFormat */
export function decodeCheckpointHeader(bytes: Uint8Array): {
  header: CheckpointHeader;
  at: number;
} {
  const file = asBuffer(bytes);
  const end = endOfHeader(MAGIC, VERSION, file);
  if (file.length < end + CRC_BYTES) throw new BadFile("ends within its header");
  if (crc32(file.subarray(0, end)) !== file.readUInt32LE(end))
    throw new BadFile("the header does not match its checksum");
  const reader = new HeaderReader(headerJson(file, end));
  const header: CheckpointHeader = {
    identity: readIdentity(reader),
    index: reader.count("index"),
    term: reader.count("term"),
    members: readMembers(reader.text("members")),
    salt: reader.count("salt"),
  };
  return { header, at: end + CRC_BYTES };
}

function readMembers(text: string): Members {
  try {
    return decodeMembers(Buffer.from(text));
  } catch (error) {
    throw new BadFile(`the members are wrong: ${messageOf(error)}`);
  }
}

/** Writes a chunk's checksum behind its data. `chunk` has room for it. */
export function sealChunk(chunk: Buffer, length: number, salt: number, number: number): Buffer {
  chunk.writeUInt32LE(chunkCrc(chunk.subarray(0, length), salt, number), length);
  return chunk.subarray(0, length + CRC_BYTES);
}

/** The data of a chunk with its checksum behind it. @throws BadFile */
export function openChunk(bytes: Uint8Array, salt: number, number: number): Uint8Array {
  const chunk = asBuffer(bytes);
  const length = chunk.length - CRC_BYTES;
  if (length < 0) throw new BadFile(`chunk ${number} is not there`);
  const data = chunk.subarray(0, length);
  if (chunkCrc(data, salt, number) !== chunk.readUInt32LE(length))
    throw new BadFile(`chunk ${number} does not match its checksum`);
  return data;
}

function chunkCrc(data: Uint8Array, salt: number, number: number): number {
  return crc32(data, (salt + number) % 2 ** 32);
}

export interface ChunkPlace {
  readonly at: number;
  /** Bytes in the file, with the checksum. */
  readonly length: number;
}

/** Where a chunk is in a file whose chunks begin at `start`. */
export function chunkPlace(start: number, size: number, number: number): ChunkPlace {
  const data = Math.min(CHUNK_BYTES, size - number * CHUNK_BYTES);
  return { at: start + number * (CHUNK_BYTES + CRC_BYTES), length: data + CRC_BYTES };
}

export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

/** Where the trailer begins in a file whose chunks begin at `start`. */
export function trailerAt(start: number, size: number): number {
  return start + size + chunkCount(size) * CRC_BYTES;
}

export function encodeTrailer(size: number, salt: number): Buffer {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  writeU64(trailer, size, 0);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 8), salt), 8);
  return trailer;
}

/** @throws BadFile unless the file ends here and says that it holds `size` bytes of state. */
export function checkTrailer(bytes: Uint8Array, size: number, salt: number): void {
  const trailer = asBuffer(bytes);
  if (trailer.length !== TRAILER_BYTES) throw new BadFile("does not end where it should");
  if (crc32(trailer.subarray(0, 8), salt) !== trailer.readUInt32LE(8))
    throw new BadFile("the trailer does not match its checksum");
  const found = readU64(trailer, 0);
  if (found !== size) throw new BadFile(`holds ${found} bytes of state in the place of ${size}`);
}
