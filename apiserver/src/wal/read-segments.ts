import type { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import type { Disk, Logger } from "@atlasnet/core";
import { asBuffer, BadFile, NewerFormat } from "@atlasnet/core/system";
import { newerFormat } from "./checkpoint-reader.ts";
import { readFrame } from "./frame.ts";
import { checkIdentity, type LogIdentity } from "./log-identity.ts";
import { type TipState, WrongRecord } from "./log-tip.ts";
import { decodeRecords } from "./record.ts";
import { Replay } from "./replay.ts";
import {
  decodeSegmentHeader,
  MAX_SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "./segment-file.ts";
import { damaged, incomplete } from "./wal-error.ts";

/** A segment whose frames count. */
export interface SegmentInfo {
  readonly name: string;
  readonly number: number;
  /** Length of its file. */
  readonly bytes: number;
  /** The highest entry that was ever written in it, also if it was truncated later. */
  maxIndex: number;
}

/** A frame of the newest segment, with the log as it was before. */
export interface ReadFrame {
  readonly sequence: number;
  readonly body: Buffer;
  readonly before: TipState;
}

export interface ReadSegments {
  readonly identity: LogIdentity;
  readonly life: number;
  readonly replay: Replay;
  readonly segments: readonly SegmentInfo[];
  /** Every frame of it is in a newer one. */
  readonly superseded: readonly string[];
  /** Of the newest segment, in order. */
  readonly frames: readonly ReadFrame[];
  /** Of the newest segment. */
  readonly header: SegmentHeader;
}

interface Opened {
  readonly name: string;
  readonly path: string;
  readonly header: SegmentHeader;
  readonly at: number;
}

/**
 * Reads the log's records. A torn end of the newest segment is cut off and said; everything else that
 * is not as it was written is refused. `names` are the segments by number, at least one.
 * @throws WalError, DiskError
 */
export async function readSegments(
  dir: string,
  names: readonly { name: string; number: number }[],
  expected: Omit<LogIdentity, "incarnation">,
  { disk, logger }: { disk: Disk; logger: Logger },
): Promise<ReadSegments> {
  const opened: Opened[] = [];
  for (const { name, number } of names) {
    const path = join(dir, name);
    const { header, at } = await readHeader(disk, path);
    const incarnation = opened[0]?.header.identity.incarnation;
    checkIdentity(path, header.identity, { ...expected, incarnation });
    if (header.number !== number)
      throw damaged(path, 0, `it is segment ${header.number} under the name of ${number}`);
    opened.push({ name, path, header, at });
  }
  const limits = limitsOf(opened.map(({ header }) => header.firstSequence));
  const counted = opened.filter(({ header }, i) => header.firstSequence < (limits[i] ?? 0));
  const first = counted[0];
  const last = counted.at(-1);
  if (first === undefined || last === undefined) throw new Error("there is a segment to read");
  const replay = new Replay(first.header.tip);
  const segments: SegmentInfo[] = [];
  let frames: ReadFrame[] = [];
  for (const [i, segment] of counted.entries()) {
    const { name, header } = segment;
    const info: SegmentInfo = { name, number: header.number, bytes: header.bytes, maxIndex: 0 };
    const limit = limits[opened.indexOf(segment)] ?? Infinity;
    frames = await readFrames(segment, limit, replay, info, { disk, logger });
    segments.push(info);
    const next = counted[i + 1];
    const behind = header.firstSequence + frames.length;
    if (next !== undefined && behind !== next.header.firstSequence)
      throw missingFrames(segment, next, behind);
  }
  return {
    identity: first.header.identity,
    life: Math.max(...opened.map(({ header }) => header.life)),
    replay,
    segments,
    superseded: opened.filter((segment) => !counted.includes(segment)).map(({ name }) => name),
    frames,
    header: last.header,
  };
}

/** The frames between two segments are not there: the end of the first, or a file between them. */
function missingFrames(segment: Opened, { name, header }: Opened, sequence: number): Error {
  const { path } = segment;
  const frames = `frames ${sequence} to ${header.firstSequence - 1}`;
  if (header.number === segment.header.number + 1)
    return damaged(path, segment.header.bytes, `${frames} are not in it, but ${name} goes on`);
  return incomplete(
    dirname(path),
    `${name} begins with frame ${header.firstSequence}, and ${frames} are in no file before it`,
  );
}

async function readHeader(
  disk: Disk,
  path: string,
): Promise<{ header: SegmentHeader; at: number }> {
  try {
    return decodeSegmentHeader(await disk.readPart(path, 0, MAX_SEGMENT_HEADER_BYTES));
  } catch (error) {
    if (error instanceof NewerFormat) throw newerFormat(path, error);
    if (error instanceof BadFile) throw damaged(path, 0, error.message, error);
    throw error;
  }
}

/** For each segment, the first sequence that a later one has. */
function limitsOf(firstSequences: readonly number[]): number[] {
  return firstSequences.map((_, i) => Math.min(Infinity, ...firstSequences.slice(i + 1)));
}

async function readFrames(
  { path, header, at: start }: Opened,
  limit: number,
  replay: Replay,
  info: SegmentInfo,
  { disk, logger }: { disk: Disk; logger: Logger },
): Promise<ReadFrame[]> {
  const file = asBuffer(await disk.read(path));
  if (file.length < header.bytes)
    throw damaged(path, file.length, `it should have ${header.bytes} bytes`);
  const frames: ReadFrame[] = [];
  let at = start;
  for (let sequence = header.firstSequence; sequence < limit; sequence++) {
    const found = readFrame(file, { salt: header.salt, sequence, at });
    if (found.type === "damaged") throw damaged(path, at, found.problem);
    if (found.type !== "frame") {
      const problem = found.type === "torn" ? found.problem : "it was not written";
      if (limit !== Infinity && found.type === "end") break;
      if (limit !== Infinity)
        throw damaged(path, at, `frame ${sequence} is not there (${problem}), but later ones are`);
      if (frames.length < header.wholeFrames)
        throw damaged(path, at, `frame ${sequence} is not there (${problem}), but it was synced`);
      if (found.type === "torn")
        logger.warn("The end of the Raft log was torn by a crash; nothing acknowledged is lost.", {
          path,
          at,
          problem,
        });
      break;
    }
    const before = replay.tip.state;
    applyBody(path, at, found.frame.body, replay, info);
    frames.push({ sequence, body: found.frame.body, before });
    at = found.next;
  }
  return frames;
}

function applyBody(
  path: string,
  at: number,
  body: Buffer,
  replay: Replay,
  info: SegmentInfo,
): void {
  try {
    for (const record of decodeRecords(body)) {
      replay.apply(record);
      if (record.type === "entry") info.maxIndex = Math.max(info.maxIndex, record.entry.index);
    }
  } catch (error) {
    if (error instanceof BadFile || error instanceof WrongRecord)
      throw damaged(path, at, error.message, error);
    throw error;
  }
}
