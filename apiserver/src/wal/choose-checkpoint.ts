import { type Disk, DiskError, type Logger } from "@atlasnet/core";
import type { Checkpoint, Entry } from "../raft/core/types.ts";
import { openCheckpoint } from "./checkpoint-reader.ts";
import { checkpointName } from "./file-names.ts";
import type { LogIdentity } from "./log-identity.ts";
import type { CheckpointRef } from "./record.ts";
import type { Replay } from "./replay.ts";
import { incomplete, WalError } from "./wal-error.ts";

export interface ChosenCheckpoint {
  readonly checkpoint: Checkpoint | undefined;
  /** Those after it. */
  readonly entries: readonly Entry[];
  /** Newer ones whose files are damaged. */
  readonly dropped: readonly CheckpointRef[];
}

/**
 * The newest checkpoint that the log names and whose file is good to the last byte. A damaged one is
 * made good by an older one (or none) and the entries since, where the log still has them.
 * @throws WalError, DiskError
 */
export async function chooseCheckpoint(
  dir: string,
  replay: Replay,
  identity: LogIdentity,
  { disk, logger }: { disk: Disk; logger: Logger },
): Promise<ChosenCheckpoint> {
  const dropped: CheckpointRef[] = [];
  let problem: WalError | undefined;
  for (const ref of [...replay.tip.checkpoints].reverse()) {
    const entries = replay.entriesAfter(ref.index);
    if (entries === undefined) break;
    try {
      return { checkpoint: await verify(disk, dir, ref, identity), entries, dropped };
    } catch (error) {
      const wrong = unreadable(dir, ref, error);
      if (wrong === undefined) throw error;
      logger.warn("A checkpoint is damaged; looking for an older one.", { error: wrong });
      problem ??= wrong;
      dropped.push(ref);
    }
  }
  const entries = replay.entriesAfter(0);
  if (entries !== undefined) return { checkpoint: undefined, entries, dropped };
  if (problem !== undefined) throw problem;
  const needed = replay.tip.checkpointIndex + 1;
  throw incomplete(dir, `entries ${needed} to ${replay.firstIndex - 1} are in no file`);
}

async function verify(
  disk: Disk,
  dir: string,
  ref: CheckpointRef,
  identity: LogIdentity,
): Promise<Checkpoint> {
  const reader = await openCheckpoint(disk, dir, ref, identity);
  for await (const chunk of reader.chunks()) void chunk;
  reader.close();
  return reader.checkpoint;
}

/** The error when the file is not what was written; undefined for what a second try may mend. */
function unreadable(dir: string, ref: CheckpointRef, error: unknown): WalError | undefined {
  if (error instanceof WalError && error.code === "wal-damaged") return error;
  if (error instanceof DiskError && error.code === "ENOENT")
    return incomplete(dir, `${checkpointName(ref)} is missing`);
  return undefined;
}
