import type { ShardEntry } from "./entries.ts";

/** Taken items are cut off once there are so many, and more than are left. */
const CUT_AT = 1024;

/** Shards to look at: first in, first out, each once. */
export class WorkQueue {
  private items: ShardEntry[] = [];
  private head = 0;
  /** Off while nobody takes anything: a process that does not lead. */
  private isOn = false;
  /** Marks what is in this queue; another one after each stop, so that nothing has to be unmarked. */
  private stamp = 1;

  get size(): number {
    return this.items.length - this.head;
  }

  start(): void {
    this.isOn = true;
  }

  stop(): void {
    this.stamp += 1;
    this.items = [];
    this.head = 0;
    this.isOn = false;
  }

  add(shard: ShardEntry): void {
    if (shard.queued === this.stamp || !this.isOn) return;
    shard.queued = this.stamp;
    this.items.push(shard);
  }

  take(): ShardEntry | undefined {
    const shard = this.items[this.head];
    if (shard === undefined) return undefined;
    shard.queued = 0;
    this.head += 1;
    if (this.head >= CUT_AT && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return shard;
  }
}
