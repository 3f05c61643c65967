import type { ShardEntry } from "./entries.ts";
import type { Occupancy } from "./occupancy.ts";

/** What a shard waits for, beside a change of its own: a node that can take it, one that can mirror it, others to have moved. */
export type Wait = "room" | "mirror" | "turn";

/**
 * Shards about which nothing can be done until something happens to others. They are looked at again when there
 * may be room where there was none, at most once in `blockedMs`, and when others have moved, at once.
 */
export class WaitingShards {
  private readonly occupancy: Pick<Occupancy, "roomVersion" | "moved">;
  private readonly blockedMs: number;
  private readonly blocked = new Set<ShardEntry>();
  private readonly unmirrored = new Set<ShardEntry>();
  private readonly held = new Set<ShardEntry>();
  private roomVersion = -1;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private moved = 0;

  constructor(blockedMs: number, occupancy: Pick<Occupancy, "roomVersion" | "moved">) {
    this.blockedMs = blockedMs;
    this.occupancy = occupancy;
  }

  /** Shards that no node can take. */
  get blockedShards(): number {
    return this.blocked.size;
  }

  /** Shards that live without a mirror that they should have, because no node can be one. */
  get unmirroredShards(): number {
    return this.unmirrored.size;
  }

  add(shard: ShardEntry, wait: Wait): void {
    if (wait === "room") this.blocked.add(shard);
    else if (wait === "mirror") this.unmirrored.add(shard);
    else this.held.add(shard);
  }

  delete(shard: ShardEntry): void {
    this.blocked.delete(shard);
    this.unmirrored.delete(shard);
    this.held.delete(shard);
  }

  clear(): void {
    this.blocked.clear();
    this.unmirrored.clear();
    this.held.clear();
  }

  /** Puts into the queue those that are worth another look. They wait on until they are looked at. */
  wake(queue: { add(shard: ShardEntry): void }, now: number): void {
    const { blocked, unmirrored, held } = this;
    const { roomVersion, moved } = this.occupancy;
    const isDue = now >= this.lookedAt + this.blockedMs && roomVersion !== this.roomVersion;
    if (blocked.size + unmirrored.size > 0 && isDue) {
      this.roomVersion = roomVersion;
      this.lookedAt = now;
      for (const shard of blocked) queue.add(shard);
      for (const shard of unmirrored) queue.add(shard);
    }
    if (held.size > 0 && moved !== this.moved) {
      this.moved = moved;
      for (const shard of held) queue.add(shard);
    }
  }

  /** When time alone makes some of them worth another look, in ms of the clock. */
  get wakeAt(): number {
    const hasRoom = this.occupancy.roomVersion !== this.roomVersion;
    const lacks = this.blocked.size + this.unmirrored.size > 0;
    return lacks && hasRoom ? this.lookedAt + this.blockedMs : Number.POSITIVE_INFINITY;
  }
}
