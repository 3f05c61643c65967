import { DiskError } from "@atlasnet/core";
import { storageError } from "@atlasnet/core/system";
import type { Checkpoint } from "../raft/core/types.ts";
import { type CheckpointReader, openCheckpoint } from "./checkpoint-reader.ts";
import { CheckpointWriter } from "./checkpoint-writer.ts";
import { GroupCommit } from "./group-commit.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { LogIdentity } from "./log-identity.ts";
import { LogTip, type TipState } from "./log-tip.ts";
import { type OpenedLog, openLog } from "./open-log.ts";
import { type LogRecord, recordBytes } from "./record.ts";
import type { SegmentWriter } from "./segment-writer.ts";
import { WalError } from "./wal-error.ts";
import {
  DEFAULT_MAX_GROUP_BYTES,
  DEFAULT_MAX_WAITING_BYTES,
  DEFAULT_SEGMENT_BYTES,
  MAX_CHECKPOINT_WRITERS,
  MAX_SAVE_BYTES,
  MIN_SEGMENT_BYTES,
  type Save,
  SLOW_SYNC_MS,
  type Stored,
  type WalDependencies,
  type WalFigures,
  type WalOptions,
} from "./wal-options.ts";

/**
 * The Raft log on a disk (docs: segment-file.ts, frame.ts, checkpoint-file.ts). Invariants:
 *
 * 1. A save is there after any crash once it was acknowledged, whole and in its place; one that was not
 *    is there whole or not at all, and none is there whose predecessor is not.
 * 2. A file that is not as it was written is refused, unless what is wrong is the trace of a crash at
 *    the very end, or in a checkpoint that older files make good.
 * 3. After a failed write or sync nothing is written any more: every call fails with the first error.
 */
export class WriteAheadLog {
  /** Whose log it is; the group knows the node by its incarnation, too. */
  readonly identity: LogIdentity;
  /** How often it was opened, this time included. A smaller one than before: an old copy came back. */
  readonly life: number;
  private readonly options: WalOptions;
  private readonly dependencies: WalDependencies;
  private readonly writer: SegmentWriter;
  private readonly commits: GroupCommit;
  private readonly housekeeping: Housekeeping;
  /** The log behind everything that was saved; `durable` behind everything that is durable. */
  private tip: LogTip;
  private durable: TipState;
  private writers = 0;
  private closing: Promise<void> | undefined;
  private readonly counts = { saves: 0, groups: 0, bytes: 0, syncSeconds: 0, slowSyncs: 0 };
  private bytesAtCheckpoint = 0;

  /** @throws WalError when the files are not this node's or not whole, StorageError of the disk */
  static async open(
    options: WalOptions,
    dependencies: WalDependencies,
  ): Promise<{ log: WriteAheadLog; stored: Stored }> {
    const { segmentBytes = DEFAULT_SEGMENT_BYTES, dir } = options;
    if (!Number.isSafeInteger(segmentBytes) || segmentBytes < MIN_SEGMENT_BYTES)
      throw new RangeError(`segmentBytes is ${segmentBytes}; at least ${MIN_SEGMENT_BYTES}`);
    try {
      const opened = await openLog(options, dependencies);
      return { log: new WriteAheadLog(options, dependencies, opened), stored: opened.stored };
    } catch (error) {
      throw storageError("wal-unusable", `the Raft log in ${dir} cannot be opened`, error);
    }
  }

  private constructor(options: WalOptions, dependencies: WalDependencies, opened: OpenedLog) {
    this.options = options;
    this.dependencies = dependencies;
    this.identity = opened.identity;
    this.life = opened.life;
    this.writer = opened.writer;
    this.tip = new LogTip(opened.tip.state);
    this.durable = opened.tip.state;
    this.housekeeping = new Housekeeping(options.dir, opened.segments, dependencies);
    this.housekeeping.setCheckpoints(opened.tip.checkpoints);
    const { maxGroupBytes = DEFAULT_MAX_GROUP_BYTES } = options;
    const { maxWaitingBytes = DEFAULT_MAX_WAITING_BYTES } = options;
    this.commits = new GroupCommit(
      { maxGroupBytes, maxWaitingBytes },
      {
        write: (records, after) => this.write(records, after),
        overrun: (waiting) => this.overrun(waiting, maxWaitingBytes),
        onFailed: (error) => {
          dependencies.logger.error("The Raft log failed; this node must stop.", { error });
          dependencies.onFailed?.(error);
        },
      },
    );
  }

  /** As in the figures, for who asks often. */
  get bytesSinceCheckpoint(): number {
    return this.counts.bytes - this.bytesAtCheckpoint;
  }

  get figures(): WalFigures {
    const current = this.writer.current;
    return {
      ...this.counts,
      waitingBytes: this.commits.waitingBytes,
      segments: this.housekeeping.segmentCount + 1,
      segmentBytes: this.housekeeping.segmentBytes + (current?.bytes ?? 0),
      bytesSinceCheckpoint: this.bytesSinceCheckpoint,
      failed: this.commits.failed,
    };
  }

  /**
   * Resolves when all of it is durable, together or (after a crash) not at all. Saves may be made
   * without waiting for the one before; they keep their order. Data of entries must not change until
   * then. Rejects with the error of the disk, the same for this and all later calls.
   * @throws WrongRecord (as a rejection) for what cannot follow what was saved before: a fault of the caller
   */
  async save(save: Save): Promise<void> {
    if (this.closing !== undefined) throw new Error("the Raft log is closed");
    const records = recordsOf(save);
    if (records.reduce((sum, record) => sum + recordBytes(record), 0) > MAX_SAVE_BYTES)
      throw new RangeError(`a save has more than ${MAX_SAVE_BYTES} bytes`);
    const tip = new LogTip(this.tip.state);
    for (const record of records) tip.apply(record);
    this.tip = tip;
    this.counts.saves++;
    await this.commits.save(records, tip);
  }

  /**
   * A checkpoint of our own or one that the leader sends: `write` its bytes, `finish`, and `save` what
   * that gives. One that is not saved is removed at the next start.
   */
  beginCheckpoint(checkpoint: Omit<Checkpoint, "size">): CheckpointWriter {
    if (this.writers >= MAX_CHECKPOINT_WRITERS)
      throw new Error(`${this.writers} checkpoints are being written already`);
    this.writers++;
    const { dir } = this.options;
    const { disk, random } = this.dependencies;
    const [id, salt] = [random.int(0, 2 ** 32 - 1), random.int(0, 2 ** 32 - 1)];
    const place = { dir, identity: this.identity, checkpoint, id, salt };
    return new CheckpointWriter(place, disk, () => {
      this.writers--;
    });
  }

  /** A reader of the newest durable checkpoint, undefined when there is none. Close it. @throws WalError */
  async readCheckpoint(): Promise<CheckpointReader | undefined> {
    const ref = this.durable.checkpoints.at(-1);
    if (ref === undefined) return undefined;
    const { dir } = this.options;
    this.housekeeping.addReader(ref.id);
    const done = () => this.housekeeping.removeReader(ref.id);
    try {
      return await openCheckpoint(this.dependencies.disk, dir, ref, this.identity, done);
    } catch (error) {
      done();
      throw storageError("checkpoint-failed", "the checkpoint cannot be read", error);
    }
  }

  /** Ends it as a failed sync would; for who finds out otherwise that the folder is not ours. */
  fail(error: unknown): void {
    this.commits.fail(error);
  }

  /** Waits for what was saved, closes the files. A second call waits for the first. */
  close(): Promise<void> {
    this.closing ??= this.closeFiles();
    return this.closing;
  }

  private async closeFiles(): Promise<void> {
    await this.commits.settled();
    await this.housekeeping.settled();
    try {
      await this.writer.close();
    } catch (error) {
      this.dependencies.logger.warn("The Raft log could not be closed; nothing is lost by it.", {
        error,
      });
    }
  }

  private async write(records: readonly LogRecord[], after: TipState): Promise<void> {
    const { clock, logger } = this.dependencies;
    const before = this.writer.current;
    const started = clock.now();
    try {
      this.counts.bytes += await this.writer.write(this.durable, records);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw storageError("wal-failed", `the Raft log in ${this.options.dir} failed`, error);
    }
    const took = clock.now() - started;
    this.counts.groups++;
    this.counts.syncSeconds += took / 1000;
    if (took > SLOW_SYNC_MS) {
      this.counts.slowSyncs++;
      logger.warn("A sync of the Raft log was slow.", { ms: Math.round(took) });
    }
    this.durable = after;
    const current = this.writer.current;
    if (before !== undefined && before !== current) this.housekeeping.addSegment(before);
    let checkpoint = false;
    for (const record of records) {
      if (record.type === "checkpoint") checkpoint = true;
      if (record.type === "entry" && current !== undefined)
        current.maxIndex = Math.max(current.maxIndex, record.entry.index);
    }
    if (!checkpoint) return;
    this.bytesAtCheckpoint = this.counts.bytes;
    this.housekeeping.setCheckpoints(after.checkpoints);
  }

  private overrun(waiting: number, most: number): WalError {
    return new WalError("wal-overrun", `${waiting} bytes wait for the disk of the Raft log`, {
      facts: { path: this.options.dir, waiting, most },
      hint: "The disk is far too slow for what the cluster writes, or hangs: look at the system's log, and move the data directory to another disk.",
    });
  }
}

function recordsOf({ hardState, truncateFrom, checkpoint, entries = [] }: Save): LogRecord[] {
  const records: LogRecord[] = [];
  if (hardState !== undefined) records.push({ type: "hard-state", hardState });
  if (truncateFrom !== undefined) records.push({ type: "truncate", from: truncateFrom });
  if (checkpoint !== undefined) {
    const { index, term, size, id } = checkpoint;
    records.push({ type: "checkpoint", checkpoint: { index, term, size, id } });
  }
  for (const entry of entries) records.push({ type: "entry", entry });
  return records;
}
