import type { ShardEntry } from "./entries.ts";

/** Taken items are cut off once there are so many, and more than are left. */
const CUT_AT = 1024;

/** Shards to look at: first in, first out, each once. */
export class WorkQueue {
  private items: ShardEntry[] = [];
  private head = 0;
  /** Off while nobody takes anything: a process that does not lead. */
  private isOn = false;

  get size(): number {
    return this.items.length - this.head;
  }

  start(): void {
    this.isOn = true;
  }

  stop(): void {
    for (const shard of this.items) shard.queued = false;
    this.items = [];
    this.head = 0;
    this.isOn = false;
  }

  add(shard: ShardEntry): void {
    if (shard.queued || !this.isOn) return;
    shard.queued = true;
    this.items.push(shard);
  }

  take(): ShardEntry | undefined {
    const shard = this.items[this.head];
    if (shard === undefined) return undefined;
    shard.queued = false;
    this.head += 1;
    if (this.head >= CUT_AT && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return shard;
  }
}
