import type { WorldFigures } from "@atlasnet/core";
import type { ShardStats } from "../host/protocol.ts";

/** A report says nothing of the present any more after this long; two reports may be late. */
const STALE_MS = 2_500;

/** What the announcement says of the load. */
export interface Figures {
  connected_clients: number;
  events_per_sec: number;
  tick_hz: number;
  /** By clients, most first. */
  worlds: WorldFigures[];
}

interface Entry {
  stats: ShardStats;
  at: number;
}

/**
 * The load of a server out of what its worlds report once a second. Worlds that are idle report nothing:
 * their clients are those of the last report, their rates 0.
 */
export class LoadFigures {
  private readonly latest = new Map<string, Entry>();

  /** Takes in a report; `now` in milliseconds. */
  record(all: readonly ShardStats[], now: number): void {
    for (const stats of all) this.latest.set(stats.shard, { stats, at: now });
  }

  /** A shard begins anew: what it reported before is of nobody who is there now. */
  forget(shard: string): void {
    this.latest.delete(shard);
  }

  at(now: number): Figures {
    const worlds: WorldFigures[] = [];
    const total = { clients: 0, events: 0 };
    let slowest = Number.POSITIVE_INFINITY;
    let fastest = 0;
    for (const { stats, at } of this.latest.values()) {
      const fresh = now - at <= STALE_MS;
      const perSecond = (count: number) => (fresh && stats.seconds > 0 ? count / stats.seconds : 0);
      const events = perSecond(stats.applied);
      const ticks = perSecond(stats.ticks);
      total.clients += stats.clients;
      total.events += events;
      if (stats.steady) slowest = Math.min(slowest, ticks);
      else fastest = Math.max(fastest, ticks);
      worlds.push({
        name: stats.shard.slice(0, stats.shard.lastIndexOf("/")),
        connected_clients: stats.clients,
        events_per_sec: tenths(events),
        tick_hz: tenths(ticks),
      });
    }
    worlds.sort((a, b) => b.connected_clients - a.connected_clients);
    return {
      connected_clients: total.clients,
      events_per_sec: tenths(total.events),
      tick_hz: tenths(slowest === Number.POSITIVE_INFINITY ? fastest : slowest),
      worlds,
    };
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
