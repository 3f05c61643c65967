import type { ShardStorage } from "../durability/shard-storage.ts";
import type { Shard, TickResult } from "../shard/shard.ts";
import type { Pace } from "./pace.ts";
import type { ShardStats } from "./protocol.ts";

/** Adds up what a shard does between two reports. */
export class ShardMeter {
  private ticks = 0;
  private totalMs = 0;
  private longestMs = 0;
  private handled = 0;
  private applied = 0;
  private since: number;
  private deltaBytes = 0;
  private queued = 0;

  constructor(now: number) {
    this.since = now;
  }

  tick(tookMs: number, result: TickResult): void {
    this.ticks += 1;
    this.totalMs += tookMs;
    this.longestMs = Math.max(this.longestMs, tookMs);
    this.handled += result.handled;
    this.applied += result.applied;
    this.deltaBytes += result.delta.length;
    this.queued = result.queued;
  }

  /**
   * The figures since the last call; undefined when the shard was idle all the time. `now` in
   * milliseconds.
   */
  report(
    now: number,
    shard: string,
    state: Shard,
    pace: Pace,
    storage: ShardStorage | undefined,
  ): ShardStats | undefined {
    const seconds = (now - this.since) / 1000;
    this.since = now;
    if (this.ticks === 0) return undefined;
    const health = storage?.health();
    const stats: ShardStats = {
      shard,
      tick: state.store.tick,
      seconds,
      ticks: this.ticks,
      tickSeconds: this.totalMs / 1000,
      longestTickSeconds: this.longestMs / 1000,
      sessions: state.store.sessions.size,
      attachments: state.attachmentCount,
      clients: state.clientCount,
      entities: state.store.entities.size,
      handled: this.handled,
      applied: this.applied,
      queued: this.queued,
      dropped: state.dropped,
      untraced: state.untraced,
      deltaBytes: this.deltaBytes,
      dilationPerMille: pace.perMille,
      steady: state.isSteady,
      quarantined: state.quarantined,
      storageProblem: health?.problem ?? "",
      journalWaitingBytes: health?.journalWaitingBytes ?? 0,
      snapshots: health?.snapshots ?? 0,
    };
    this.ticks = 0;
    this.totalMs = 0;
    this.longestMs = 0;
    this.handled = 0;
    this.applied = 0;
    this.deltaBytes = 0;
    return stats;
  }
}
