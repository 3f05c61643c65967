import type { NodeLoad } from "@atlasnet/core";
import type { ShardStats } from "../host/protocol.ts";

/** A thread's report says nothing of the present any more after this long; two may be late. */
const STALE_MS = 2_500;

/** What a gameserver says of its load with each renewal, out of what its threads report once a second. */
export class LoadMeter {
  private readonly sessions = new Map<string, number>();
  private reports: { readonly at: number; readonly busy: number; readonly tickMs: number }[] = [];
  private bytes: { readonly at: number; readonly total: number } | undefined;
  private bytesPerSecond = 0;

  /** Takes in the report of one thread; `now` in ms. */
  record(all: readonly ShardStats[], now: number): void {
    let busy = 0;
    let tickMs = 0;
    for (const stats of all) {
      this.sessions.set(stats.shard, stats.sessions);
      if (stats.seconds > 0) busy += stats.tickSeconds / stats.seconds;
      tickMs = Math.max(tickMs, stats.longestTickSeconds * 1000);
    }
    this.reports = this.reports.filter(({ at }) => now - at <= STALE_MS);
    this.reports.push({ at: now, busy: Math.min(1, busy), tickMs });
  }

  /** A shard runs here no more. */
  forget(shard: string): void {
    this.sessions.delete(shard);
  }

  /** `bytes`: sent and received since the start. */
  at(now: number, { bytes, memoryBytes }: { bytes: number; memoryBytes: number }): NodeLoad {
    const last = this.bytes;
    if (last === undefined || now - last.at >= 1_000) {
      if (last !== undefined)
        this.bytesPerSecond = Math.round(((bytes - last.total) * 1000) / (now - last.at));
      this.bytes = { at: now, total: bytes };
    }
    const fresh = this.reports.filter(({ at }) => now - at <= STALE_MS);
    let sessions = 0;
    for (const count of this.sessions.values()) sessions += count;
    return {
      sessions,
      memoryBytes,
      busy: Math.max(0, ...fresh.map(({ busy }) => busy)),
      tickMs: Math.max(0, ...fresh.map(({ tickMs }) => tickMs)),
      bytesPerSecond: this.bytesPerSecond,
    };
  }
}
