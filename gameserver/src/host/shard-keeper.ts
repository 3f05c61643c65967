import { crc32 } from "node:zlib";
import { type Clock, describeError, type Logger, type Timer } from "@atlasnet/core";
import { StorageError } from "@atlasnet/core/system";
import type { DefinitionData } from "@atlasnet/world";
import type { Position } from "../durability/position.ts";
import type { ShardStorage } from "../durability/shard-storage.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import type { Shard } from "../shard/shard.ts";
import { encodeState } from "./encode-state.ts";

/** A snapshot that failed, and files that could not be opened, are tried again after this long. */
const SNAPSHOT_RETRY_MS = 5_000;

export interface KeeperDependencies {
  clock: Clock;
  logger: Logger;
  /** The shard as it is now, and the definition its state is written under. */
  current(): { shard: Shard; definition: DefinitionData };
  /** A snapshot is durable. `final`: the shard ended at it, and nothing came after. */
  onWritten?(snapshot: WrittenSnapshot, final: boolean): void;
}

/**
 * Keeps a shard on disk: every delta goes to the journal, snapshots are taken at an interval and
 * whenever the journal needs one. Without a storage it does nothing: one that is opened beside a shard
 * that runs already begins with a snapshot, which holds what came before it.
 */
export class ShardKeeper {
  private readonly intervalMs: number;
  private readonly dependencies: KeeperDependencies;
  private storage: ShardStorage | undefined;
  private timer: Timer | undefined;
  private due = false;
  /** A snapshot is being written; never rejects. */
  private writing: Promise<void> | undefined;
  private held = false;
  /** Somebody waits for the snapshot that is being written: it makes no pauses. */
  private hurried = false;
  /** Of the last snapshot of this storage; −1 before the first. */
  private snapshotTick = -1;
  private written: WrittenSnapshot | undefined;
  private retryAt = 0;
  /** While the storage is still to be opened. */
  private opener: (() => Promise<ShardStorage>) | undefined;
  /** The try under way; never rejects. */
  private opening: Promise<void> | undefined;
  /** Why the storage is not open yet; empty when nothing is wrong. */
  problem = "";

  constructor(intervalMs: number, dependencies: KeeperDependencies) {
    this.intervalMs = intervalMs;
    this.dependencies = dependencies;
  }

  get kept(): ShardStorage | undefined {
    return this.storage;
  }

  /** Takes over a storage that is ready for this run. */
  use(storage: ShardStorage | undefined): void {
    this.storage = storage;
    this.snapshotTick = -1;
    this.written = undefined;
  }

  /** Opens a storage while the shard runs, in `waitMs`; what fails is said and tried again. */
  openBeside(opener: () => Promise<ShardStorage>, waitMs: number): void {
    const { clock, logger } = this.dependencies;
    this.opener = opener;
    this.timer = clock.setTimer(waitMs, () => {
      this.opening = this.open().catch((error: unknown) => {
        this.problem = describeError(error);
        logger.error("The files of a world cannot be opened: nothing of it is kept. Tried again.", {
          error,
        });
        this.openBeside(opener, SNAPSHOT_RETRY_MS);
      });
    });
  }

  private async open(): Promise<void> {
    if (this.opener === undefined) return;
    const storage = await this.opener();
    this.opener = undefined;
    this.problem = "";
    this.use(storage);
    this.start();
    this.snapshot();
  }

  /** Waits for a storage that is being opened; one that could not be is tried once more. @throws what it failed with */
  async ready(): Promise<void> {
    await this.opening;
    if (this.opener === undefined) return;
    this.timer?.cancel();
    await this.open();
  }

  /** Begins to take snapshots at the interval. */
  start(): void {
    if (this.storage === undefined) return;
    this.timer = this.dependencies.clock.setTimer(this.intervalMs, () => {
      this.due = true;
      this.start();
      // An idle shard has not changed, unless it ticked since the last snapshot.
      if (!this.dependencies.current().shard.busy) this.snapshot();
    });
  }

  /** No snapshot begins while the shard is being replaced or ended. */
  hold(held: boolean): void {
    this.held = held;
  }

  /** Gives a tick's delta to the journal, and takes a snapshot when one is due or needed. */
  keep(tick: number, delta: Uint8Array): void {
    const { storage } = this;
    if (storage === undefined) return;
    if (!storage.needsSnapshot) storage.append(tick, delta);
    if (storage.needsSnapshot || this.due) this.snapshot();
  }

  /** Takes a snapshot in the background; one that fails is tried again. */
  snapshot(): void {
    const { clock, logger } = this.dependencies;
    if (this.storage === undefined || this.writing !== undefined || this.held) return;
    if (clock.now() < this.retryAt) return;
    this.due = false;
    if (this.snapshotTick === this.tick) return;
    this.hurried = false;
    this.write(this.storage).catch((error: unknown) => {
      this.retryAt = clock.now() + SNAPSHOT_RETRY_MS;
      this.due = true;
      logger.error("A snapshot failed and is tried again.", { error });
    });
  }

  /**
   * Writes what is not written yet, marks the stop as one in order and closes the files. `handedOver`: another node
   * goes on with the state, and would wait for a processor that writes a snapshot nobody needs; files that were still
   * to be opened are not, and the journal ends where it does.
   */
  async stop(handedOver = false): Promise<void> {
    if (handedOver) this.opener = undefined;
    await this.ready();
    this.timer?.cancel();
    const { storage } = this;
    if (storage === undefined) return;
    try {
      await this.settle();
      if (this.snapshotTick !== this.tick && !handedOver) await this.write(storage);
      const clean = await storage.markClean(this.tick);
      const { written } = this;
      if (clean && written?.tick === this.tick) this.dependencies.onWritten?.(written, true);
    } finally {
      await storage.stop();
    }
  }

  /** Ends this storage's run in order, for another to begin with the same state. After `ready`. */
  async release(): Promise<void> {
    const { storage } = this;
    if (storage === undefined) return;
    await this.settle();
    if (!(await storage.markClean(this.tick))) {
      await this.write(storage);
      await storage.markClean(this.tick);
    }
    await storage.stop();
  }

  /** Snapshots and journal are written, as far as is known. */
  get isWell(): boolean {
    return this.storage !== undefined && this.problem === "";
  }

  /**
   * Saves a shard that does not change any more, for it to be thrown away: the CRC-32 of its state. It can still go
   * on. @throws StorageError
   */
  async save(): Promise<number> {
    await this.ready();
    await this.settle();
    const { clock, current } = this.dependencies;
    const state = await encodeState(current().shard, clock, () => true);
    const { storage } = this;
    if (storage !== undefined && (this.snapshotTick !== this.tick || storage.needsSnapshot))
      await this.write(storage, state);
    return crc32(state);
  }

  /**
   * Marks the stop of a shard that was saved as one in order, and closes its files: where they end. It cannot go on
   * from here, whatever comes of it: the mark may be there. @throws StorageError
   */
  async end(): Promise<Position> {
    this.timer?.cancel();
    const { storage } = this;
    const clean = (await storage?.markClean(this.tick)) ?? false;
    await storage?.stop();
    const end = storage?.end;
    if (clean && end !== undefined) return end;
    throw new StorageError("snapshot-failed", "the files do not end at the state that was saved");
  }

  private get tick(): number {
    return this.dependencies.current().shard.store.tick;
  }

  /** `encoded`: the state as it is now; absent: it is still to be encoded. */
  private async write(storage: ShardStorage, encoded?: Uint8Array): Promise<void> {
    let written = () => {};
    this.writing = new Promise((resolve) => {
      written = resolve;
    });
    const { clock, current } = this.dependencies;
    const { shard, definition } = current();
    const { tick } = shard.store;
    try {
      const module = { name: definition.name, version: String(definition.version) };
      const facts = { module, schema: definition, tick };
      this.written = await storage.writeSnapshot(
        facts,
        encoded ?? encodeState(shard, clock, () => this.hurried),
      );
      this.snapshotTick = tick;
      this.dependencies.onWritten?.(this.written, false);
    } finally {
      this.writing = undefined;
      written();
    }
  }

  /** Waits for a snapshot under way; its own failure was reported. */
  private async settle(): Promise<void> {
    this.hurried = true;
    while (this.writing !== undefined) await this.writing;
  }
}
