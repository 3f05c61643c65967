import type { ShardEntry } from "./entries.ts";

interface Timer {
  readonly at: number;
  readonly shard: ShardEntry;
}

/**
 * When shards are to be looked at again: a heap of times. A shard has one that counts, its earliest;
 * later ones are dropped when they come up, because whoever looks sets what is still needed.
 */
export class ShardTimers {
  private heap: Timer[] = [];

  get next(): number | undefined {
    return this.heap[0]?.at;
  }

  set(shard: ShardEntry, at: number): void {
    if (at >= shard.timerAt) return;
    shard.timerAt = at;
    const { heap } = this;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.at <= at) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = { at, shard };
  }

  /** A shard whose time has come, if there is one. */
  take(now: number): ShardEntry | undefined {
    for (;;) {
      const [first] = this.heap;
      if (first === undefined || first.at > now) return undefined;
      this.removeFirst();
      if (first.shard.timerAt !== first.at) continue;
      first.shard.timerAt = Number.POSITIVE_INFINITY;
      return first.shard;
    }
  }

  /** Drops all. `timerAt` of shards stays: whoever begins anew resets it. */
  clear(): void {
    this.heap = [];
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && right.at < left.at) below += 1;
      const child = heap[below];
      if (child === undefined || child.at >= last.at) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = last;
  }
}
