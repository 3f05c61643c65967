import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { SECTOR_BYTES } from "@atlasnet/core";
import { readU64, writeU64 } from "./numbers.ts";
import { type LogRecord, recordBytes, writeRecord } from "./record.ts";

/**
 * A frame is what one write and one sync make durable, whole or not at all:
 *
 *     u32  mark
 *     u32  length of the body
 *     u64  sequence, one more than the frame before
 *     u32  CRC-32 of the body
 *     u32  sectors of the file wholly inside of the frame that hold nothing but zeros
 *     u32  0
 *     u32  CRC-32 of the head up to here
 *     body, the records (record.ts)
 *     8 bytes end mark, then zeros up to a multiple of 32
 *
 * Both checksums begin with the salt of the segment: bytes of another file, or bytes that a client
 * made to look like a frame, are none.
 *
 * The next frame is written only when this one is synced. So a crash tears the last frame only, and
 * a bad frame with a good one behind it was damaged later. A torn frame is told from a damaged last
 * one by what a crash leaves of it (the disk port, promise 5): sectors that are zero, which the head
 * counts, or zeros from some byte on, which the end mark shows. A head lies within one sector.
 */
const MARK = 0x6d726657;
export const FRAME_HEAD_BYTES = 32;
const END_MARK = Buffer.from("endframe", "latin1");
/** Frames begin at multiples of it. */
export const FRAME_ALIGNMENT = 32;

export interface FramePlace {
  readonly salt: number;
  readonly sequence: number;
  /** Where in the file the frame begins; a multiple of FRAME_ALIGNMENT. */
  readonly at: number;
}

export function bodyBytes(records: readonly LogRecord[]): number {
  let length = 0;
  for (const record of records) length += recordBytes(record);
  return length;
}

/** Bytes a frame takes in the file. */
export function frameBytes(body: number): number {
  return align(FRAME_HEAD_BYTES + body + END_MARK.length);
}

export function align(length: number): number {
  return Math.ceil(length / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

export function encodeFrame(place: FramePlace, records: readonly LogRecord[]): Buffer {
  const length = bodyBytes(records);
  const frame = Buffer.allocUnsafe(frameBytes(length));
  let at = FRAME_HEAD_BYTES;
  for (const record of records) at = writeRecord(frame, record, at);
  return seal(frame, length, place);
}

export function encodeBody(records: readonly LogRecord[]): Buffer {
  const body = Buffer.allocUnsafe(bodyBytes(records));
  let at = 0;
  for (const record of records) at = writeRecord(body, record, at);
  return body;
}

/** A frame around a body. */
export function moveFrame(place: FramePlace, body: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(frameBytes(body.length));
  body.copy(frame, FRAME_HEAD_BYTES);
  return seal(frame, body.length, place);
}

/** Writes everything around the body. */
function seal(frame: Buffer, length: number, place: FramePlace): Buffer {
  const end = FRAME_HEAD_BYTES + length;
  END_MARK.copy(frame, end);
  frame.fill(0, end + END_MARK.length);
  frame.writeUInt32LE(MARK, 0);
  frame.writeUInt32LE(length, 4);
  writeU64(frame, place.sequence, 8);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEAD_BYTES, end), place.salt), 16);
  frame.writeUInt32LE(zeroSectors(frame, place.at, end), 20);
  frame.writeUInt32LE(0, 24);
  frame.writeUInt32LE(crc32(frame.subarray(0, 28), place.salt), 28);
  return frame;
}

export interface Frame {
  readonly sequence: number;
  readonly at: number;
  readonly body: Buffer;
}

/**
 * What is at a place. `end`: nothing was written there. `torn`: a write that a crash cut off.
 * `damaged`: something that was written and is not what it was.
 */
export type FrameResult =
  | { readonly type: "frame"; readonly frame: Frame; readonly next: number }
  | { readonly type: "end" }
  | { readonly type: "torn" | "damaged"; readonly problem: string };

/** Looks at a place of a segment's file. */
export function readFrame(file: Buffer, place: FramePlace): FrameResult {
  const found = lookAt(file, place);
  if (found.type !== "torn") return found;
  const behind = goodHeadBehind(file, place);
  if (behind === undefined) return found;
  const problem = `frame ${place.sequence} is not whole (${found.problem}), yet there is one behind it at byte ${behind}`;
  return { type: "damaged", problem };
}

function lookAt(file: Buffer, { salt, sequence, at }: FramePlace): FrameResult {
  const bodyAt = at + FRAME_HEAD_BYTES;
  if (isZeroRange(file, at, bodyAt)) {
    if (isZeroRange(file, bodyAt, file.length)) return { type: "end" };
    return { type: "torn", problem: "its head was not written" };
  }
  if (!isHead(file, at, salt)) {
    if (isZeroRange(file, bodyAt, file.length))
      return { type: "torn", problem: "it ends within its head" };
    return {
      type: "damaged",
      problem: `the head of frame ${sequence} does not match its checksum`,
    };
  }
  const length = file.readUInt32LE(at + 4);
  const found = readU64(file, at + 8);
  if (found !== sequence)
    return { type: "damaged", problem: `frame ${found} stands in the place of frame ${sequence}` };
  const end = bodyAt + length;
  if (end + END_MARK.length > file.length)
    return { type: "damaged", problem: `frame ${sequence} reaches beyond the end of the file` };
  const body = file.subarray(bodyAt, end);
  if (crc32(body, salt) === file.readUInt32LE(at + 16))
    return { type: "frame", frame: { sequence, at, body }, next: at + frameBytes(length) };
  const lost = zeroSectors(file.subarray(at, end), at, end - at) > file.readUInt32LE(at + 20);
  if (lost) return { type: "torn", problem: "sectors of it were not written" };
  if (isZeroRange(file, end, end + END_MARK.length))
    return { type: "torn", problem: "its end was not written" };
  return { type: "damaged", problem: `frame ${sequence} does not match its checksum` };
}

function isHead(file: Buffer, at: number, salt: number): boolean {
  if (at + FRAME_HEAD_BYTES > file.length || file.readUInt32LE(at) !== MARK) return false;
  return crc32(file.subarray(at, at + 28), salt) === file.readUInt32LE(at + 28);
}

function goodHeadBehind(file: Buffer, { salt, sequence, at }: FramePlace): number | undefined {
  for (let i = at + FRAME_ALIGNMENT; i + FRAME_HEAD_BYTES <= file.length; i += FRAME_ALIGNMENT)
    if (isHead(file, i, salt) && readU64(file, i + 8) > sequence) return i;
  return undefined;
}

/** How many of the file's sectors that lie wholly in the first `length` bytes of a frame are zero. */
function zeroSectors(frame: Buffer, at: number, length: number): number {
  let count = 0;
  for (let from = (SECTOR_BYTES - (at % SECTOR_BYTES)) % SECTOR_BYTES; ; from += SECTOR_BYTES) {
    if (from + SECTOR_BYTES > length) return count;
    if (isZeroRange(frame, from, from + SECTOR_BYTES)) count++;
  }
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Whether bytes are zeros; those behind the end of the file count as such. */
export function isZeroRange(bytes: Buffer, from: number, to: number): boolean {
  const end = Math.min(to, bytes.length);
  for (let at = from; at < end; ) {
    const length = Math.min(ZEROS.length, end - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) !== 0) return false;
    at += length;
  }
  return true;
}
