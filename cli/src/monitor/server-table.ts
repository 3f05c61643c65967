import type { Announcement } from "@atlasnet/core";

/** A server that is silent for so long is shown as stale, and then taken out. */
export const STALE_MS = 3_000;
export const REMOVE_MS = 60_000;
/** Servers shown at a time; more are counted only. */
export const MAX_SERVERS = 256;
/** Seconds of history. */
export const HISTORY = 30;

export interface ServerRow {
  readonly announcement: Announcement;
  /** Address the last announcement came from. */
  readonly source: string;
  readonly heardAt: number;
  /** Events per second of the last HISTORY seconds, oldest first; seconds without an announcement are undefined. */
  readonly history: readonly (number | undefined)[];
  /** Announcements that did not come. */
  readonly missed: number;
}

export interface ShownServer extends ServerRow {
  readonly ageMs: number;
  readonly stale: boolean;
}

/** The servers heard of. Pure: times are milliseconds of any clock that does not go back. */
export class ServerTable {
  private readonly rows = new Map<string, ServerRow>();
  /** Servers that `newlyStale` told of. */
  private readonly silent = new Set<string>();
  /** Announcements of servers beyond MAX_SERVERS. */
  refused = 0;

  /** Takes in an announcement; false when there is no room for its server. */
  take(announcement: Announcement, source: string, now: number): boolean {
    this.expire(now);
    const { server, seq, events_per_sec } = announcement;
    this.silent.delete(server);
    const before = this.rows.get(server);
    if (before === undefined && this.rows.size >= MAX_SERVERS) {
      this.refused += 1;
      return false;
    }
    // A number that went back is a server that was started again.
    const skipped = before === undefined ? 0 : seq - before.announcement.seq - 1;
    const missed = Math.max(0, skipped);
    const holes = new Array<undefined>(Math.min(missed, HISTORY)).fill(undefined);
    const history = [...(before?.history ?? []), ...holes, events_per_sec].slice(-HISTORY);
    this.rows.set(server, {
      announcement,
      source,
      heardAt: now,
      history,
      missed: (before?.missed ?? 0) + missed,
    });
    return true;
  }

  get(server: string): ServerRow | undefined {
    return this.rows.get(server);
  }

  /** All servers by name; those that were silent for REMOVE_MS are gone. */
  list(now: number): ShownServer[] {
    this.expire(now);
    return [...this.rows.values()]
      .sort((a, b) => (a.announcement.server < b.announcement.server ? -1 : 1))
      .map((row) => {
        const ageMs = now - row.heardAt;
        return { ...row, ageMs, stale: ageMs >= STALE_MS };
      });
  }

  /** Servers that became stale since they were heard last; each is told once. */
  newlyStale(now: number): string[] {
    const stale = [...this.rows]
      .filter(([server, { heardAt }]) => now - heardAt >= STALE_MS && !this.silent.has(server))
      .map(([server]) => server);
    for (const server of stale) this.silent.add(server);
    return stale;
  }

  private expire(now: number): void {
    for (const [server, { heardAt }] of this.rows) {
      if (now - heardAt < REMOVE_MS) continue;
      this.rows.delete(server);
      this.silent.delete(server);
    }
  }
}
