import type { Change, Revision } from "@atlasnet/core";
import { type Changes, changeBytes, changeKey } from "./history.ts";
import {
  CONFLATE_ABOVE,
  MAX_WAITING_BYTES,
  MAX_WAITING_KEYS,
  WATCH_EVENT_BYTES,
} from "./limits.ts";

/**
 * The changes that wait for one watch, in the order of their revisions. While few wait, all of them are
 * kept; then the newest of each key.
 */
export class WatchQueue {
  /** By key; of the same key the newest stands last. Its order is that of the revisions. */
  private readonly waiting = new Map<string, Change>();
  private readonly exact: Changes[] = [];
  private exactCount = 0;
  private bytes = 0;
  private upTo: Revision = 0;

  get empty(): boolean {
    return this.exact.length === 0 && this.waiting.size === 0;
  }

  /** False when more waits than may: the watch has to begin anew. */
  push(entry: Changes): boolean {
    this.upTo = entry.revision;
    if (this.waiting.size === 0 && this.exactCount + entry.changes.length <= CONFLATE_ABOVE) {
      this.exact.push(entry);
      this.exactCount += entry.changes.length;
      for (const change of entry.changes) this.bytes += changeBytes(change);
    } else {
      this.conflateAll();
      this.conflate(entry);
    }
    return this.waiting.size <= MAX_WAITING_KEYS && this.bytes <= MAX_WAITING_BYTES;
  }

  /** The next event: whole transactions, at most about WATCH_EVENT_BYTES when they were put together. */
  next(): Changes | undefined {
    const entry = this.exact.shift();
    if (entry !== undefined) {
      this.exactCount -= entry.changes.length;
      for (const change of entry.changes) this.bytes -= changeBytes(change);
      return entry;
    }
    if (this.waiting.size === 0) return undefined;
    const changes: Change[] = [];
    let bytes = 0;
    let revision = 0;
    for (const [key, change] of this.waiting) {
      const modified = revisionOf(change);
      if (bytes > WATCH_EVENT_BYTES && modified !== revision) return { revision, changes };
      revision = modified;
      changes.push(change);
      bytes += changeBytes(change);
      this.bytes -= changeBytes(change);
      this.waiting.delete(key);
    }
    return { revision: this.upTo, changes };
  }

  private conflate({ changes }: Changes): void {
    for (const change of changes) {
      const key = changeKey(change);
      const older = this.waiting.get(key);
      if (older !== undefined) {
        this.waiting.delete(key);
        this.bytes -= changeBytes(older);
      }
      this.waiting.set(key, change);
      this.bytes += changeBytes(change);
    }
  }

  private conflateAll(): void {
    for (const waiting of this.exact.splice(0)) {
      for (const change of waiting.changes) this.bytes -= changeBytes(change);
      this.conflate(waiting);
    }
    this.exactCount = 0;
  }
}

export function revisionOf(change: Change): Revision {
  return change.type === "put" ? change.item.modified : change.modified;
}
