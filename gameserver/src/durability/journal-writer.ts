import assert from "node:assert/strict";
import { join } from "node:path";
import type { Clock, Disk, DiskFile, Timer } from "@atlasnet/core";
import { journalName } from "./file-names.ts";
import { JournalEncoder, type JournalHeader, type JournalRecord } from "./journal-file.ts";
import {
  type JournalEffect,
  type JournalEvent,
  JournalQueue,
  type JournalQueueOptions,
} from "./journal-queue.ts";
import type { Position } from "./position.ts";

export interface JournalWriterOptions extends JournalQueueOptions {
  dir: string;
  world: string;
  shard: string;
  timeline: number;
}

export interface JournalWriterDependencies {
  disk: Disk;
  clock: Clock;
  /** A write or sync failed; it is tried again after `retryMs` milliseconds. */
  onFault(error: unknown, retryMs: number): void;
  /** The first sync after a fault. */
  onRecovered(): void;
  /** Something that costs nothing but should be known, such as a file that could not be closed. */
  onTrouble(message: string, error: unknown): void;
}

interface OpenJournal {
  name: string;
  baseTick: number;
  encoder: JournalEncoder;
  file: DiskFile | undefined;
  nameIsDurable: boolean;
  hasRecords: boolean;
}

interface Waiter {
  upTo: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Performs what the JournalQueue asks for. */
export class JournalWriter {
  private readonly options: JournalWriterOptions;
  private readonly dependencies: JournalWriterDependencies;
  private readonly queue: JournalQueue;
  private readonly files = new Map<number, OpenJournal>();
  private readonly timers = new Map<"sync" | "retry", Timer>();
  private waiters: Waiter[] = [];
  /** The last file that was given up; see `giveUp`. */
  private abandoned: OpenJournal | undefined;
  private closing: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: JournalWriterOptions, dependencies: JournalWriterDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.queue = new JournalQueue(options);
  }

  get waitingBytes(): number {
    return this.queue.waitingBytes;
  }

  get failing(): boolean {
    return this.queue.failing;
  }

  hasRoom(bytes: number): boolean {
    return this.queue.hasRoom(bytes);
  }

  append(record: JournalRecord): void {
    assert.ok(!this.stopped, "nothing is appended after stop");
    this.perform(this.queue.append(record));
  }

  begin(base: Position, held: boolean): void {
    this.perform(this.queue.begin(base, held));
  }

  release(): void {
    this.perform(this.queue.release());
  }

  dropHeld(error: unknown): void {
    this.perform(this.queue.dropHeld());
    const dropped = this.waiters.filter((waiter) => waiter.upTo > this.queue.lastAppended);
    this.waiters = this.waiters.filter((waiter) => !dropped.includes(waiter));
    for (const waiter of dropped) waiter.reject(error);
  }

  /** Resolves when every delta taken so far is durable. Rejects with the first fault on the way. */
  flush(): Promise<void> {
    if (this.queue.lastDurable === this.queue.lastAppended) return Promise.resolve();
    if (this.stopped) return Promise.reject(new Error("the journal was stopped"));
    const done = new Promise<void>((resolve, reject) => {
      this.waiters.push({ upTo: this.queue.lastAppended, resolve, reject });
    });
    this.perform(this.queue.flush());
    return done;
  }

  /** Closes what is open, without a flush. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
    for (const waiter of this.waiters) waiter.reject(new Error("the journal was stopped"));
    this.waiters = [];
    for (const id of [...this.files.keys()]) this.close(id);
    await this.closing;
  }

  private step(event: JournalEvent): void {
    if (this.stopped) return;
    this.perform(this.queue.step(event));
    const done = this.waiters.filter((waiter) => waiter.upTo <= this.queue.lastDurable);
    if (done.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.resolve();
  }

  private perform(effects: readonly JournalEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case "open":
          this.run(effect.file, "opened", () => this.open(effect.file, effect.base));
          break;
        case "write":
          this.run(effect.file, "written", () => this.write(effect.file, effect.records));
          break;
        case "sync":
          this.run(effect.file, "synced", () => this.sync(effect.file));
          break;
        case "close":
          this.close(effect.file);
          break;
        case "arm":
          this.arm(effect.timer, effect.ms);
          break;
        case "fault":
          this.dependencies.onFault(effect.error, effect.retryMs);
          for (const waiter of this.waiters.splice(0)) waiter.reject(effect.error);
          break;
        case "recovered":
          this.dependencies.onRecovered();
          break;
      }
    }
  }

  private run(file: number, type: "opened" | "written" | "synced", work: () => Promise<void>) {
    work().then(
      () => this.step({ type, file }),
      (error: unknown) => this.step({ type: "failed", file, error }),
    );
  }

  private async open(id: number, base: Position): Promise<void> {
    const { dir, world, shard, epoch, timeline } = this.options;
    const header: JournalHeader = { world, shard, epoch, timeline, base };
    const journal: OpenJournal = {
      name: journalName(epoch, base.tick, id),
      baseTick: base.tick,
      encoder: new JournalEncoder(),
      file: undefined,
      nameIsDurable: false,
      hasRecords: false,
    };
    this.files.set(id, journal);
    journal.file = await this.dependencies.disk.open(join(dir, journal.name));
    await journal.file.write(journal.encoder.begin(header));
  }

  private async write(id: number, records: readonly JournalRecord[]): Promise<void> {
    const journal = this.files.get(id);
    await journal?.file?.write(journal.encoder.records(records));
    if (journal !== undefined) journal.hasRecords = true;
  }

  private async sync(id: number): Promise<void> {
    const journal = this.files.get(id);
    await journal?.file?.sync();
    if (journal === undefined || journal.nameIsDurable) return;
    await this.dependencies.disk.syncDir(this.options.dir);
    journal.nameIsDurable = true;
  }

  private arm(timer: "sync" | "retry", ms: number): void {
    this.timers.get(timer)?.cancel();
    const fire = () => {
      this.timers.delete(timer);
      this.step({ type: "timer", timer });
    };
    this.timers.set(timer, this.dependencies.clock.setTimer(ms, fire));
  }

  private close(id: number): void {
    const journal = this.files.get(id);
    if (journal === undefined) return;
    this.files.delete(id);
    const closed = async () => {
      try {
        await journal.file?.close();
      } catch (error) {
        this.dependencies.onTrouble("A journal file could not be closed.", error);
      }
      if (this.queue.failing) await this.giveUp(journal);
    };
    this.closing = this.closing.then(closed);
  }

  /**
   * A file that failed stays, for its deltas may be the only ones the system holds; but not two of
   * them from the same base, so that retries on a failing disk do not fill it.
   */
  private async giveUp(journal: OpenJournal): Promise<void> {
    const remove = journal.hasRecords ? this.abandoned : journal;
    if (journal.hasRecords) this.abandoned = journal;
    if (remove === undefined || remove.baseTick !== journal.baseTick) return;
    try {
      await this.dependencies.disk.remove(join(this.options.dir, remove.name));
    } catch (error) {
      this.dependencies.onTrouble("A journal file that failed could not be removed.", error);
    }
  }
}
