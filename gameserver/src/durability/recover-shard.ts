import { join } from "node:path";
import { type Disk, DiskError, type Logger } from "@atlasnet/core";
import { BadFile, messageOf, NewerFormat, StorageError } from "@atlasnet/core/system";
import { removeIfThere, writeAtomically } from "./atomic-write.ts";
import {
  damagedName,
  journalsFrom,
  type NamedFile,
  RUN_FILE,
  type ShardFiles,
  sortShardFiles,
} from "./file-names.ts";
import { decodeJournal } from "./journal-file.ts";
import {
  type FileProblem,
  planRecovery,
  type ReadJournal,
  type RecoveredDelta,
} from "./plan-recovery.ts";
import { isClean, type Remains } from "./plan-run.ts";
import { type Position, samePosition } from "./position.ts";
import { decodeRun, type RunState } from "./run-file.ts";
import { decodeSnapshot, type Snapshot } from "./snapshot-file.ts";

export interface Recovery {
  /** The newest good snapshot; undefined when there is none. */
  snapshot: Snapshot | undefined;
  /** What happened after it, in order. */
  deltas: RecoveredDelta[];
  /** The state that snapshot and deltas give. */
  tip: Position | undefined;
  /** Whether that is the state that was last running. If not, the next run has a new timeline. */
  clean: boolean;
  /** Files that were found damaged. They were named in the log; useless ones are now `*.damaged`. */
  damaged: { file: string; problem: string }[];
  /** There were snapshots, and none of them is good. Starting an empty world is then a decision. */
  lost: boolean;
}

interface Shard {
  dir: string;
  world: string;
  shard: string;
}

interface Dependencies {
  disk: Disk;
  logger: Logger;
}

/** Reads a shard's folder, and moves aside what is damaged. @throws DiskError, StorageError */
export async function recoverShard(
  shard: Shard,
  dependencies: Dependencies,
): Promise<{ recovery: Recovery; remains: Remains }> {
  const { disk, logger } = dependencies;
  const { dir } = shard;
  await disk.makeDir(dir);
  const files = sortShardFiles(await disk.list(dir));
  for (const name of files.temporary) await removeIfThere(disk, join(dir, name));
  const problems: FileProblem[] = [];
  const run = await readRun(shard, files, disk, problems);
  const snapshot = await readNewestSnapshot(shard, files.snapshots, disk, problems);
  const position = snapshot?.header ?? { epoch: 0, tick: 0 };
  const journals: ReadJournal[] = [];
  for (const file of journalsFrom(files, position))
    journals.push(await readJournal(shard, file, disk));
  const plan = planRecovery(
    snapshot && { epoch: snapshot.header.epoch, tick: snapshot.header.tick },
    journals,
  );
  problems.push(...plan.problems);
  const remains: Remains = {
    run,
    anyFile: files.highestEpoch > 0 || files.hasRun,
    highestEpoch: files.highestEpoch,
    highestTimeline: Math.max(snapshot?.header.timeline ?? 0, plan.timeline),
    tip: plan.tip,
  };
  const clean = isClean(remains);
  for (const { file, problem, aside } of problems) {
    if (aside) await disk.rename(join(dir, file), join(dir, damagedName(file)));
    else await writeAtomically(disk, dir, damagedName(file), [await disk.read(join(dir, file))]);
    logger.error("A damaged file was found.", { file: join(dir, file), problem, aside });
  }
  for (const { file, problem, aside } of plan.torn) {
    if (aside) await disk.remove(join(dir, file));
    logger.warn("A write was cut off by a crash.", { file: join(dir, file), problem });
  }
  // What a dead process wrote may be in the system's memory only, and a sync would not do: where one
  // failed before, the next proves nothing. The next run builds on these deltas, so they are written
  // anew, without what is torn.
  if (!clean)
    for (const { name, journal } of plan.used)
      await writeAtomically(disk, dir, name, [journal.good]);
  await disk.syncDir(dir);
  const recovery: Recovery = {
    snapshot,
    deltas: plan.deltas,
    tip: plan.tip,
    clean,
    damaged: problems.map(({ file, problem }) => ({ file, problem })),
    // Those that an earlier start has moved aside count: the second try must not begin empty either.
    lost: snapshot === undefined && files.snapshots.length + files.damagedSnapshots.length > 0,
  };
  return { recovery, remains };
}

async function readRun(
  { dir }: Shard,
  files: ShardFiles,
  disk: Disk,
  problems: FileProblem[],
): Promise<RunState | undefined> {
  if (!files.hasRun) return undefined;
  const read = await readFile(disk, join(dir, RUN_FILE), decodeRun);
  if (read.ok) return read.value;
  problems.push({ file: RUN_FILE, problem: read.problem, aside: true });
  return undefined;
}

async function readNewestSnapshot(
  shard: Shard,
  names: readonly NamedFile[],
  disk: Disk,
  problems: FileProblem[],
): Promise<Snapshot | undefined> {
  for (const file of [...names].reverse()) {
    const read = await readSnapshot(shard, file.name, disk, file);
    if (read.ok) return read.value;
    problems.push({ file: file.name, problem: read.problem, aside: true });
  }
  return undefined;
}

/** `position`: the one that its name says. @throws DiskError, StorageError "newer-format" */
export function readSnapshot(
  shard: Shard,
  name: string,
  disk: Disk,
  position?: Position,
): Promise<Read<Snapshot>> {
  return readFile(disk, join(shard.dir, name), (bytes) => {
    const snapshot = decodeSnapshot(bytes);
    checkOwner(shard, snapshot.header);
    if (position !== undefined && !samePosition(snapshot.header, position))
      throw new BadFile("has another file's name");
    return snapshot;
  });
}

async function readJournal(shard: Shard, file: NamedFile, disk: Disk): Promise<ReadJournal> {
  const { name, epoch } = file;
  const read = await readFile(disk, join(shard.dir, name), (bytes) => {
    const journal = decodeJournal(bytes);
    checkOwner(shard, journal.header);
    if (journal.header.epoch !== epoch) throw new BadFile("has another file's name");
    return journal;
  });
  if (read.ok) return { name, epoch, journal: read.value };
  return { name, epoch, unreadable: { message: read.problem, torn: read.torn } };
}

type Read<T> = { ok: true; value: T } | { ok: false; problem: string; torn: boolean };

async function readFile<T>(
  disk: Disk,
  path: string,
  decode: (bytes: Uint8Array) => T,
): Promise<Read<T>> {
  try {
    return { ok: true, value: decode(await disk.read(path)) };
  } catch (error) {
    if (error instanceof NewerFormat)
      throw new StorageError("newer-format", `${path} ${error.message}`, {
        facts: { path, format: error.found },
        hint: "Install the AtlasNet that wrote it, or a newer one.",
        cause: error,
      });
    // A sector that cannot be read is damage like a wrong checksum. A missing permission is not.
    const damaged = error instanceof DiskError ? error.code === "EIO" : error instanceof BadFile;
    if (!damaged) throw error;
    const torn = error instanceof BadFile && error.torn;
    return { ok: false, problem: messageOf(error), torn };
  }
}

function checkOwner(expected: Shard, found: { world: string; shard: string }): void {
  if (found.world !== expected.world || found.shard !== expected.shard)
    throw new BadFile(`belongs to shard ${found.shard} of world ${found.world}`);
}
