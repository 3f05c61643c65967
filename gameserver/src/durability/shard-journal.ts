import assert from "node:assert/strict";
import { messageOf, StorageError, storageError } from "@atlasnet/core/system";
import { RECORD_OVERHEAD_BYTES } from "./journal-file.ts";
import { JournalWriter } from "./journal-writer.ts";
import { type Position, samePosition } from "./position.ts";
import type { RunState } from "./run-file.ts";
import type { ShardStorageDependencies, StorageHealth } from "./storage-options.ts";

export interface ShardJournalOptions {
  dir: string;
  world: string;
  shard: string;
  /** False: deltas are taken and not kept. */
  isKept: boolean;
  /** How long a delta may wait to be synced, in milliseconds. */
  syncMs: number;
  /** Bytes of deltas that are not synced yet; past it `append` refuses. */
  maxBytes: number;
}

/** A snapshot that deltas follow while it is being written. */
export interface Base {
  /** The journal reaches this very state: what follows has something to continue from without the snapshot. */
  readonly isAnchored: boolean;
  /** Where snapshots and journal ended before it. */
  readonly before: Position | undefined;
}

/**
 * The deltas of a run, without a hole: each continues from a state that is on the disk, or from a snapshot that is on its
 * way there and is lost with it, or it is not taken.
 */
export class ShardJournal {
  private readonly options: ShardJournalOptions;
  private readonly dependencies: ShardStorageDependencies;
  private run: RunState | undefined;
  private writer: JournalWriter | undefined;
  private tip: Position | undefined;
  /** Why deltas are not taken: they would not continue from anything. `retry`: only for want of room. */
  private gap: { retry?: number } | undefined = {};
  /** Deltas that were taken are lost, for the snapshot they were to follow failed. */
  private dropped = false;
  /** Of the newest fault. */
  private problem: string | undefined;
  private readonly counts = {
    journalDeltas: 0,
    journalBytes: 0,
    journalRefused: 0,
    journalFaults: 0,
  };

  constructor(options: ShardJournalOptions, dependencies: ShardStorageDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** Begins a run, once; `tip`: the state on the disk that it may continue from, see `continueFromTip`. */
  begin(run: RunState, tip: Position | undefined): void {
    this.run = run;
    this.tip = tip;
    if (this.options.isKept) this.writer = this.openWriter(run);
  }

  /** The run goes on from exactly the state on the disk: deltas may follow without a snapshot first. */
  continueFromTip(): void {
    if (this.tip === undefined) return;
    this.gap = undefined;
    this.writer?.begin(this.tip, false);
  }

  /** The state that snapshots and journal give together, when all of it is durable. */
  get end(): Position | undefined {
    return this.tip;
  }

  get needsSnapshot(): boolean {
    return this.options.isKept && this.gap !== undefined;
  }

  /** What was taken leads to `end` without a hole, once it is durable. */
  get isWhole(): boolean {
    return this.gap === undefined && !this.dropped;
  }

  /** Takes what `tick` changed; see `ShardStorage.append`. */
  append(tick: number, bytes: Uint8Array): boolean {
    const { run, writer } = this;
    assert.ok(run !== undefined, "append comes after nextEpoch");
    if (!this.options.isKept) return true;
    if (this.gap !== undefined && this.gap.retry !== tick) return false;
    const previousTick = this.tip?.tick;
    assert.ok(writer !== undefined && previousTick !== undefined);
    assert.ok(tick > previousTick, `tick ${tick} does not follow tick ${previousTick}`);
    if (!writer.hasRoom(bytes.length)) {
      if (this.gap === undefined)
        this.dependencies.logger.error("The journal's queue is full: deltas are refused.", {
          tick,
        });
      this.gap = { retry: tick };
      this.counts.journalRefused++;
      return false;
    }
    this.gap = undefined;
    this.tip = { epoch: run.epoch, tick };
    this.counts.journalDeltas++;
    this.counts.journalBytes += bytes.length + RECORD_OVERHEAD_BYTES;
    writer.append({ previousTick, tick, bytes });
    return true;
  }

  /** @throws StorageError, see `ShardStorage.flush` */
  async flush(): Promise<void> {
    if (this.dropped)
      throw new StorageError(
        "journal-gap",
        "the last snapshot failed and deltas behind it are lost",
        {
          hint: "Write a snapshot.",
        },
      );
    try {
      await this.writer?.flush();
    } catch (error) {
      throw storageError("journal-failed", "the journal could not be written", error);
    }
  }

  /**
   * A snapshot of this state is about to be written: what is appended from now on belongs behind it, and is held back
   * until `baseWritten` or `baseFailed` unless the journal reaches the state by itself. One at a time.
   */
  rebase(position: Position): Base {
    const before = this.tip;
    assert.ok(position.tick >= (before?.tick ?? 0), "a snapshot is not older than the deltas");
    const isAnchored =
      this.gap === undefined && before !== undefined && samePosition(before, position);
    this.writer?.begin(position, !isAnchored);
    this.gap = undefined;
    this.tip = position;
    return { isAnchored, before };
  }

  baseWritten({ isAnchored }: Base): void {
    this.dropped = false;
    if (!isAnchored) this.writer?.release();
  }

  /** What was taken since `rebase` is lost, unless it is anchored. */
  baseFailed({ isAnchored, before }: Base, error: unknown): void {
    if (isAnchored) return;
    this.gap = {};
    this.dropped = true;
    this.writer?.dropHeld(error);
    if (!this.options.isKept) this.tip = before;
  }

  /** `problem` is told while it fails. */
  health(): Omit<StorageHealth, "snapshot" | "snapshots" | "snapshotFaults"> {
    const failing = this.writer?.failing === true;
    const journal = failing ? "failing" : this.needsSnapshot ? "gap" : "ok";
    return {
      journal: this.options.isKept ? journal : "off",
      problem: failing ? this.problem : undefined,
      journalWaitingBytes: this.writer?.waitingBytes ?? 0,
      ...this.counts,
    };
  }

  /** Closes the files, without a flush. */
  async stop(): Promise<void> {
    await this.writer?.stop();
  }

  private openWriter({ epoch, timeline }: RunState): JournalWriter {
    const { dir, world, shard, syncMs, maxBytes } = this.options;
    const { disk, clock, logger } = this.dependencies;
    return new JournalWriter(
      { dir, world, shard, epoch, timeline, syncMs, maxBytes },
      {
        disk,
        clock,
        onFault: (error, retryMs) => this.failed(error, retryMs),
        onRecovered: () => logger.info("The journal is written again."),
        onTrouble: (message, error) => logger.warn(message, { error }),
      },
    );
  }

  private failed(cause: unknown, retryMs: number): void {
    const { logger, onFault } = this.dependencies;
    const error = storageError("journal-failed", "the journal could not be written", cause);
    this.counts.journalFaults++;
    this.problem = messageOf(error);
    logger.error("The journal could not be written; it is tried again.", { error, retryMs });
    onFault?.({ part: "journal", error, retryMs });
  }
}
