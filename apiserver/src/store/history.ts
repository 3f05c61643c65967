import type { Change, Revision } from "@atlasnet/core";
import { Blocks } from "./blocks.ts";
import type { HistoryLimits } from "./limits.ts";

/** What one transaction changed. */
export interface Changes {
  readonly revision: Revision;
  readonly changes: readonly Change[];
}

const CHANGE_OVERHEAD_BYTES = 96;

export function changeBytes(change: Change): number {
  return change.type === "put"
    ? CHANGE_OVERHEAD_BYTES + change.item.key.length + change.item.value.length
    : CHANGE_OVERHEAD_BYTES + change.key.length;
}

export function changeKey(change: Change): string {
  return change.type === "put" ? change.item.key : change.key;
}

/** The latest changes, bounded by their number and bytes; older ones are forgotten. */
export class History {
  private readonly entries = new Blocks<Changes>();
  private readonly limits: HistoryLimits;
  private changes = 0;
  private bytes = 0;
  private forgotten: Revision;

  constructor(limits: HistoryLimits, begin: Revision) {
    this.limits = limits;
    this.forgotten = begin;
  }

  /** Everything behind this revision is still known. */
  get floor(): Revision {
    return this.forgotten;
  }

  get size(): { readonly changes: number; readonly bytes: number } {
    return { changes: this.changes, bytes: this.bytes };
  }

  push(entry: Changes): void {
    this.entries.push(entry);
    this.changes += entry.changes.length;
    for (const change of entry.changes) this.bytes += changeBytes(change);
    while (this.changes > this.limits.maxChanges || this.bytes > this.limits.maxBytes) {
      if (!this.forgetOldest()) return;
    }
  }

  /** Forgets what is not behind `revision`. */
  compact(revision: Revision): void {
    for (let oldest = this.entries.at(0); oldest !== undefined; oldest = this.entries.at(0)) {
      if (oldest.revision > revision) break;
      this.forgetOldest();
    }
    this.forgotten = Math.max(this.forgotten, revision);
  }

  /** Forgets everything: the state at `revision` did not come about by changes. */
  reset(revision: Revision): void {
    this.entries.clear();
    this.changes = 0;
    this.bytes = 0;
    this.forgotten = revision;
  }

  /** What came behind `revision`, in order; it is whole unless `revision` is below the floor. */
  *after(revision: Revision): Generator<Changes> {
    for (let index = this.indexAfter(revision); index < this.entries.length; index++) {
      const entry = this.entries.at(index);
      if (entry !== undefined) yield entry;
    }
  }

  private forgetOldest(): boolean {
    const oldest = this.entries.shift();
    if (oldest === undefined) return false;
    this.changes -= oldest.changes.length;
    for (const change of oldest.changes) this.bytes -= changeBytes(change);
    this.forgotten = oldest.revision;
    return true;
  }

  private indexAfter(revision: Revision): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries.at(middle)?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
