import { join } from "node:path";
import { messageOf, storageError } from "@atlasnet/core/system";
import { removeIfThere, writeAtomically } from "./atomic-write.ts";
import { snapshotName, sortShardFiles } from "./file-names.ts";
import { planPrune } from "./plan-prune.ts";
import type { RunState } from "./run-file.ts";
import { encodeSnapshot, type SnapshotHeader } from "./snapshot-file.ts";
import type { ShardStorageDependencies, SnapshotFacts } from "./storage-options.ts";

export interface SnapshotWriterOptions {
  dir: string;
  world: string;
  shard: string;
  keep: number;
}

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

/** Writes a shard's snapshots and removes what they replace; counts what fails. */
export class SnapshotWriter {
  private readonly options: SnapshotWriterOptions;
  private readonly dependencies: ShardStorageDependencies;
  /** Failures since the last good one. */
  attempts = 0;
  /** Of the newest failure, until one is good again. */
  problem: string | undefined;
  snapshots = 0;
  snapshotFaults = 0;

  constructor(options: SnapshotWriterOptions, dependencies: ShardStorageDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** Durable when it resolves, with when it was taken (wall time, in ms). @throws StorageError `snapshot-failed` */
  async write(run: RunState, facts: SnapshotFacts, state: Uint8Array): Promise<number> {
    const { dir, world, shard } = this.options;
    const { disk, clock, logger } = this.dependencies;
    const header: SnapshotHeader = {
      world,
      shard,
      module: facts.module,
      schema: facts.schema,
      epoch: run.epoch,
      timeline: run.timeline,
      tick: facts.tick,
      createdAtMs: clock.wallTime(),
    };
    try {
      await writeAtomically(disk, dir, snapshotName(header), encodeSnapshot(header, state));
    } catch (error) {
      throw this.failed(error);
    }
    if (this.attempts > 0) logger.info("Snapshots are written again.");
    this.attempts = 0;
    this.problem = undefined;
    this.snapshots++;
    return header.createdAtMs;
  }

  /** Removes what is no longer needed. What cannot be removed now is removed the next time. */
  async prune(): Promise<void> {
    const { dir, keep } = this.options;
    const { disk, logger } = this.dependencies;
    try {
      const files = sortShardFiles(await disk.list(dir));
      for (const name of planPrune(files, keep)) await removeIfThere(disk, join(dir, name));
    } catch (error) {
      logger.warn("Old files could not be removed.", { error });
    }
  }

  private failed(cause: unknown): unknown {
    const { logger, onFault } = this.dependencies;
    const error = storageError("snapshot-failed", "the snapshot could not be written", cause);
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** this.attempts, MAX_RETRY_MS);
    this.attempts++;
    this.snapshotFaults++;
    this.problem = messageOf(error);
    logger.error("A snapshot could not be written.", { error, retryMs });
    onFault?.({ part: "snapshot", error, retryMs });
    return error;
  }
}
