import { join } from "node:path";
import { chooseCheckpoint } from "./choose-checkpoint.ts";
import { checkpointName, sortLogFiles } from "./file-names.ts";
import { type LogIdentity, MAX_INCARNATION } from "./log-identity.ts";
import { LogTip } from "./log-tip.ts";
import { type ReadSegments, readSegments, type SegmentInfo } from "./read-segments.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { incomplete, REPLACE_NODE_HINT, WalError } from "./wal-error.ts";
import {
  DEFAULT_SEGMENT_BYTES,
  type Stored,
  type WalDependencies,
  type WalOptions,
} from "./wal-options.ts";

export interface OpenedLog {
  readonly identity: LogIdentity;
  readonly life: number;
  readonly stored: Stored;
  readonly tip: LogTip;
  readonly writer: SegmentWriter;
  /** Older ones, the oldest first. */
  readonly segments: readonly SegmentInfo[];
}

/**
 * Reads the log of a folder, or makes one, and begins a new segment. That repeats the newest segment
 * if it is at most half full, else its last frame: what the process before wrote and did not sync, or
 * could not sync, is read back from the system's memory and may be nowhere else. It also ends the
 * part that counts of a segment with a torn end. @throws WalError, DiskError
 */
export async function openLog(
  options: WalOptions,
  dependencies: WalDependencies,
): Promise<OpenedLog> {
  const { dir } = options;
  const { disk, logger } = dependencies;
  await disk.makeDir(dir);
  const files = sortLogFiles(await disk.list(dir));
  const made = files.segments.length === 0;
  if (made) refuseUnlessNew(options, files.checkpoints);
  for (const name of files.temporary) await disk.remove(join(dir, name));
  if (made) return await makeLog(options, dependencies);

  const read = await readSegments(dir, files.segments, options.identity, dependencies);
  const { identity, replay } = read;
  const { dropped, ...chosen } = await chooseCheckpoint(dir, replay, identity, dependencies);
  const life = read.life + 1;
  const writer = await continueLog(options, dependencies, read, life);
  let segments: SegmentInfo[];
  try {
    for (const { id } of dropped) {
      const record = { type: "drop-checkpoint", id } as const;
      const before = replay.tip.state;
      replay.tip.apply(record);
      await writer.write(before, [record]);
    }
    segments = await clean(options, dependencies, read, writer);
    // Those that were never saved, and those that are damaged.
    const named = new Set(replay.tip.checkpoints.map(checkpointName));
    for (const name of files.checkpoints) if (!named.has(name)) await disk.remove(join(dir, name));
  } catch (error) {
    await writer.close();
    throw error;
  }
  const { hardState, lastIndex } = replay.tip;
  logger.info("The Raft log was read.", {
    dir,
    life,
    term: hardState.term,
    lastIndex,
    checkpoint: chosen.checkpoint?.index,
    entries: chosen.entries.length,
  });
  return { identity, life, stored: { hardState, ...chosen }, tip: replay.tip, writer, segments };
}

function refuseUnlessNew({ dir, create }: WalOptions, checkpoints: readonly string[]): void {
  if (checkpoints.length > 0)
    throw incomplete(dir, `there are checkpoints (${checkpoints.join(", ")}) but no segments`);
  if (create !== false) return;
  throw new WalError("wal-missing", `there is no Raft log in ${dir}, and this node must have one`, {
    facts: { path: dir },
    hint: `A node that lost its log must not come back under its old id. Look whether the data directory is the right one (a mount that is missing?). If the log is lost: ${REPLACE_NODE_HINT}`,
  });
}

async function makeLog(options: WalOptions, dependencies: WalDependencies): Promise<OpenedLog> {
  const incarnation = dependencies.random.int(1, MAX_INCARNATION);
  const identity: LogIdentity = { ...options.identity, incarnation };
  const { dir, segmentBytes = DEFAULT_SEGMENT_BYTES } = options;
  const life = 1;
  const place = { dir, identity, life, segmentBytes, number: 1, sequence: 1 };
  const writer = new SegmentWriter(place, dependencies);
  const tip = new LogTip();
  await writer.begin(tip.state, []);
  dependencies.logger.info("A new Raft log was made.", { dir, incarnation });
  const stored: Stored = { hardState: tip.hardState, checkpoint: undefined, entries: [] };
  return { identity, life, stored, tip, writer, segments: [] };
}

async function continueLog(
  options: WalOptions,
  dependencies: WalDependencies,
  { identity, segments, frames, header }: ReadSegments,
  life: number,
): Promise<SegmentWriter> {
  const { dir, segmentBytes = DEFAULT_SEGMENT_BYTES } = options;
  const bytes = frames.reduce((sum, { body }) => sum + body.length, 0);
  const repeated = bytes <= segmentBytes / 2 ? frames : frames.slice(-1);
  const [first] = repeated;
  const number = (segments.at(-1)?.number ?? 0) + 1;
  const sequence = first?.sequence ?? header.firstSequence;
  const place = { dir, identity, life, segmentBytes, number, sequence };
  const writer = new SegmentWriter(place, dependencies);
  await writer.begin(
    first?.before ?? header.tip,
    repeated.map(({ body }) => body),
  );
  return writer;
}

/** Removes segments that later ones repeat; those that are left. */
async function clean(
  { dir }: WalOptions,
  { disk }: WalDependencies,
  { segments, superseded, frames, header }: ReadSegments,
  writer: SegmentWriter,
): Promise<SegmentInfo[]> {
  const last = segments.at(-1);
  const left = segments.filter((segment) => segment !== last);
  const current = writer.current;
  if (last === undefined || current === undefined) throw new Error("a log has segments");
  current.maxIndex = last.maxIndex;
  const whole = writer.firstSequence <= header.firstSequence || frames.length === 0;
  for (const name of superseded) await disk.remove(join(dir, name));
  if (whole) await disk.remove(join(dir, last.name));
  else left.push(last);
  await disk.syncDir(dir);
  return left;
}
