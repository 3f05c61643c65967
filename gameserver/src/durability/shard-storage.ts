import assert from "node:assert/strict";
import { join } from "node:path";
import type { Logger } from "@atlasnet/core";
import { StorageError, storageError } from "@atlasnet/core/system";
import { removeIfThere, writeAtomically } from "./atomic-write.ts";
import {
  discardedName,
  FETCHED_FILE,
  RUN_FILE,
  shardFolder,
  snapshotName,
  sortShardFiles,
} from "./file-names.ts";
import {
  goesOn,
  isSameWorld,
  mayHaveParted,
  type Ownership,
  planRun,
  type Remains,
  type TakenSnapshot,
} from "./plan-run.ts";
import type { Position } from "./position.ts";
import { type Recovery, readSnapshot, recoverShard } from "./recover-shard.ts";
import { encodeRun, type RunOwner, type RunState } from "./run-file.ts";
import { ShardJournal } from "./shard-journal.ts";
import type { Snapshot } from "./snapshot-file.ts";
import { SnapshotWriter } from "./snapshot-writer.ts";
import {
  DEFAULT_JOURNAL_SYNC_MS,
  DEFAULT_KEEP_SNAPSHOTS,
  DEFAULT_MAX_JOURNAL_QUEUE_BYTES,
  type ShardStorageDependencies,
  type ShardStorageOptions,
  type SnapshotFacts,
  type StorageHealth,
  type WrittenSnapshot,
} from "./storage-options.ts";

export function openShardStorage(
  options: ShardStorageOptions,
  dependencies: ShardStorageDependencies,
): ShardStorage {
  return new ShardStorage(options, dependencies);
}

/**
 * A shard's files: `recover`, then `nextEpoch`, then `append` and `writeSnapshot`, at last
 * `markClean` and `stop`.
 *
 * 1. What `recover` gives is a state that was lived: a snapshot and the deltas right after it.
 * 2. Deltas are written at once and synced in groups: kill -9 costs what was appended in the last
 *    milliseconds, a power loss at most `journalSyncMs` and the time of a sync.
 * 3. Nothing older is removed before what replaces it is durable.
 * 4. A journal continues from a state that is on the disk, or it is not written: see ShardJournal.
 */
export class ShardStorage {
  readonly dir: string;
  private readonly options: Required<ShardStorageOptions>;
  private readonly dependencies: ShardStorageDependencies;
  private readonly logger: Logger;
  private remains: Remains | undefined;
  private run: RunState | undefined;
  private snapshotRunning = false;
  private readonly snapshots: SnapshotWriter;
  private readonly journal: ShardJournal;

  constructor(options: ShardStorageOptions, dependencies: ShardStorageDependencies) {
    this.options = {
      keepSnapshots: DEFAULT_KEEP_SNAPSHOTS,
      journal: true,
      journalSyncMs: DEFAULT_JOURNAL_SYNC_MS,
      maxJournalQueueBytes: DEFAULT_MAX_JOURNAL_QUEUE_BYTES,
      ...options,
    };
    assert.ok(this.options.keepSnapshots >= 1, "at least one snapshot is kept");
    this.dependencies = dependencies;
    const { dir, world, shard } = this.options;
    this.dir = shardFolder(dir, world, shard);
    this.logger = dependencies.logger.child({ world, shard });
    const place = { dir: this.dir, world, shard };
    const parts = { ...dependencies, logger: this.logger };
    const { keepSnapshots, journal, journalSyncMs, maxJournalQueueBytes } = this.options;
    this.snapshots = new SnapshotWriter({ ...place, keep: keepSnapshots }, parts);
    const limits = { syncMs: journalSyncMs, maxBytes: maxJournalQueueBytes };
    this.journal = new ShardJournal({ ...place, isKept: journal, ...limits }, parts);
  }

  /**
   * The newest good state. Damaged files are named in the result and in the log and moved aside.
   * @throws StorageError when the folder cannot be used, with what to do about it.
   */
  async recover(): Promise<Recovery> {
    assert.equal(this.run, undefined, "recover comes before nextEpoch");
    const { world, shard } = this.options;
    const { disk } = this.dependencies;
    try {
      const { recovery, remains } = await recoverShard(
        { dir: this.dir, world, shard },
        { disk, logger: this.logger },
      );
      this.remains = remains;
      return recovery;
    } catch (error) {
      throw storageError("storage-unusable", `the files of world ${world} cannot be used`, error);
    }
  }

  /**
   * Puts all snapshots and journals aside as `*.discarded` (those of an earlier time are removed) so
   * that the shard starts empty; epochs and timelines go on growing. After `recover`.
   */
  async discard(): Promise<void> {
    assert.ok(this.remains !== undefined && this.run === undefined, "discard comes after recover");
    const { disk } = this.dependencies;
    const names = await disk.list(this.dir);
    const files = sortShardFiles(names);
    const old = [...files.snapshots, ...files.journals].map((file) => file.name);
    old.push(...files.damagedSnapshots);
    // A second try after a start that failed: what the first one put aside is worth keeping.
    if (old.length > 0) for (const name of files.discarded) await disk.remove(join(this.dir, name));
    for (const name of old)
      await disk.rename(join(this.dir, name), join(this.dir, discardedName(name)));
    await disk.syncDir(this.dir);
    this.remains = { ...this.remains, tip: undefined };
  }

  /** After `recover`: under which ownership the files were written last. */
  get lastOwner(): RunOwner | undefined {
    return this.remains?.run?.owner;
  }

  /**
   * Takes the snapshot of another node, which lies in the folder as FETCHED_FILE, for the state to begin with; what
   * was here is put aside as with `discard`. After `recover`. @throws StorageError, DiskError
   */
  async take(exact: boolean): Promise<Snapshot> {
    assert.ok(this.remains !== undefined && this.run === undefined, "take comes after recover");
    const { disk } = this.dependencies;
    const { world, shard } = this.options;
    const read = await readSnapshot({ dir: this.dir, world, shard }, FETCHED_FILE, disk);
    if (!read.ok)
      throw new StorageError("bad-snapshot", `the fetched snapshot of ${world}: ${read.problem}`, {
        hint: "It came as it was stored: see *Snapshots* in docs/operations.md.",
      });
    const { header } = read.value;
    await this.discard();
    await disk.rename(join(this.dir, FETCHED_FILE), join(this.dir, snapshotName(header)));
    await disk.syncDir(this.dir);
    const { highestEpoch, highestTimeline } = this.remains;
    this.remains = {
      ...this.remains,
      anyFile: true,
      highestEpoch: Math.max(highestEpoch, header.epoch),
      highestTimeline: Math.max(highestTimeline, header.timeline),
      tip: { epoch: header.epoch, tick: header.tick },
      taken: { timeline: header.timeline, exact },
    };
    return read.value;
  }

  /**
   * The shard goes on from a state of another node that is in memory, and not on this disk but perhaps as a replica:
   * what was here is put aside as with `discard`. What counts from its first snapshot on is this run, until then the
   * replica. After `recover`. @throws DiskError
   */
  async takeOver(taken: TakenSnapshot): Promise<void> {
    await this.discard();
    assert.ok(this.remains !== undefined);
    const highestTimeline = Math.max(this.remains.highestTimeline, taken.timeline);
    this.remains = { ...this.remains, anyFile: true, highestTimeline, taken };
  }

  /** What an earlier start fetched and did not come to use. */
  async forgetFetched(): Promise<void> {
    await removeIfThere(this.dependencies.disk, join(this.dir, FETCHED_FILE));
  }

  /** After `recover`: false when the files are of a world that was removed, and the name is another's now. */
  isOf(ownership: Ownership): boolean {
    assert.ok(this.remains !== undefined, "isOf comes after recover");
    return isSameWorld(this.remains, ownership);
  }

  /** After `recover`: whether the files hold the state that the shard was last seen in, by anybody. */
  goesOn(ownership: Ownership): boolean {
    assert.ok(this.remains !== undefined, "goesOn comes after recover");
    return goesOn(this.remains, ownership);
  }

  /** Once the state to begin with is chosen: whether it may be of another branch than players were on last. */
  mayHaveParted(ownership: Ownership): boolean {
    assert.ok(this.remains !== undefined, "mayHaveParted comes after recover");
    return mayHaveParted(this.remains, ownership);
  }

  /**
   * Begins a run: an epoch above all before it, on the same timeline if the last run ended clean, on
   * a new one otherwise. Both are durable when it resolves, and the mark of the clean stop is gone.
   * With an `ownership` the shard is at that epoch, and on the same timeline only if nobody else had it
   * since, too.
   * @throws StorageError
   */
  async nextEpoch(ownership?: Ownership): Promise<{ epoch: number; timeline: number }> {
    assert.ok(this.remains !== undefined, "nextEpoch comes after recover");
    assert.equal(this.run, undefined, "one run per storage");
    const run = planRun(this.remains, ownership);
    await this.writeRun(run);
    this.run = run;
    this.journal.begin(run, this.remains.tip);
    return { epoch: ownership?.epoch ?? run.epoch, timeline: run.timeline };
  }

  /**
   * Says that the shard runs on from exactly the recovered state, so that deltas may follow without a
   * snapshot first. Not after an upgrade of the schema or another change that no delta holds.
   */
  continueRecovered(): void {
    assert.ok(this.run !== undefined, "continueRecovered comes after nextEpoch");
    this.journal.continueFromTip();
  }

  /** Where snapshots and journal end, once all of it is durable; undefined before the first. */
  get end(): Position | undefined {
    return this.journal.end;
  }

  /** A snapshot is needed before deltas are taken again (or for the first time). */
  get needsSnapshot(): boolean {
    return this.journal.needsSnapshot;
  }

  /**
   * Takes what `tick` changed; a tick that is left out changed nothing. The bytes are kept until
   * they are synced: they must not change. False: not taken, for the queue is full (the same tick may
   * be offered again, a shard that goes on without it must write a snapshot), or a snapshot is needed
   * first. With the journal off, true and nothing is kept.
   */
  append(tick: number, bytes: Uint8Array): boolean {
    return this.journal.append(tick, bytes);
  }

  /**
   * Resolves when all deltas taken so far are durable. @throws StorageError at the first fault, or
   * `journal-gap` when some were lost with a snapshot that failed.
   */
  async flush(): Promise<void> {
    await this.journal.flush();
  }

  /**
   * Writes the state after `facts.tick`; deltas appended from now on belong to a new journal behind
   * it. `state` may still be under way: it is the one after that tick, and must not change. One at a time.
   * @throws StorageError `snapshot-failed` (try again with a newer state after the fault's `retryMs`)
   * or `snapshot-running`.
   */
  async writeSnapshot(
    facts: SnapshotFacts,
    state: Uint8Array | Promise<Uint8Array>,
  ): Promise<WrittenSnapshot> {
    const { run } = this;
    assert.ok(run !== undefined, "writeSnapshot comes after nextEpoch");
    const { world } = this.options;
    if (this.snapshotRunning)
      throw new StorageError("snapshot-running", `a snapshot of world ${world} is being written`);
    const position: Position = { epoch: run.epoch, tick: facts.tick };
    const base = this.journal.rebase(position);
    this.snapshotRunning = true;
    let takenAt: number;
    try {
      takenAt = await this.snapshots.write(run, facts, await state);
    } catch (error) {
      this.journal.baseFailed(base, error);
      throw error;
    } finally {
      this.snapshotRunning = false;
    }
    this.journal.baseWritten(base);
    await this.snapshots.prune();
    const { timeline, owner } = run;
    return { path: join(this.dir, snapshotName(position)), ...facts, timeline, owner, takenAt };
  }

  /**
   * Marks a stop in order: the state on the disk is the one after `tick`, and nothing is appended
   * any more. False when that is not so (the journal has a gap, or is off and the last snapshot is
   * older): write a snapshot first, or the next run begins a new timeline. @throws StorageError
   */
  async markClean(tick: number): Promise<boolean> {
    const { run } = this;
    assert.ok(run !== undefined, "markClean comes after nextEpoch");
    const { journal } = this;
    if (!journal.isWhole) return false;
    await journal.flush();
    if (!journal.isWhole || journal.end?.tick !== tick || this.snapshotRunning) return false;
    await this.writeRun({ ...run, clean: journal.end });
    return true;
  }

  health(): StorageHealth {
    const journal = this.journal.health();
    const { attempts, problem, snapshots, snapshotFaults } = this.snapshots;
    return {
      ...journal,
      snapshot: attempts > 0 ? "failing" : "ok",
      problem: journal.journal === "failing" ? journal.problem : problem,
      snapshots,
      snapshotFaults,
    };
  }

  /** Closes the files, without a flush. */
  async stop(): Promise<void> {
    await this.journal.stop();
  }

  private async writeRun(run: RunState): Promise<void> {
    try {
      await writeAtomically(this.dependencies.disk, this.dir, RUN_FILE, [encodeRun(run)]);
    } catch (error) {
      throw storageError("storage-unusable", "the epoch could not be written", error);
    }
  }
}
