import { invariant } from "./invariant.ts";
import { ENTRY_OVERHEAD_BYTES } from "./options.ts";
import type { Checkpoint, Entry } from "./types.ts";

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/**
 * The log in memory: everything behind a base, the entry before the first that is kept.
 *
 * 1. base ≤ applied ≤ applying ≤ commit ≤ last. What is committed is never truncated.
 * 2. stable ≤ handed ≤ last: `handed` entries were given to the runner, `stable` ones are synced.
 */
export class RaftLog {
  private entries: Entry[] = [];
  private baseIndex = 0;
  private baseTerm = 0;
  private handedIndex = 0;
  /** What the outstanding Ready makes stable, lowered when that is truncated meanwhile. */
  private persisting: number | undefined;
  private truncated: number | undefined;
  stable = 0;
  commit = 0;
  applying = 0;
  applied = 0;

  constructor(checkpoint: Checkpoint | undefined, entries: readonly Entry[]) {
    if (checkpoint) {
      this.baseIndex = checkpoint.index;
      this.baseTerm = checkpoint.term;
    }
    for (const entry of entries) {
      if (entry.index <= this.baseIndex) continue;
      invariant(
        entry.index === this.lastIndex + 1 && entry.term >= this.lastTerm,
        () => `stored entry ${entry.index} of term ${entry.term} does not follow ${this.lastIndex}`,
      );
      this.entries.push(entry);
    }
    this.commit = this.applying = this.applied = this.baseIndex;
    this.stable = this.handedIndex = this.lastIndex;
  }

  get firstIndex(): number {
    return this.baseIndex + 1;
  }

  get lastIndex(): number {
    return this.baseIndex + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.baseTerm;
  }

  get hasUnstable(): boolean {
    return this.handedIndex < this.lastIndex || this.truncated !== undefined;
  }

  /** The term of an entry; undefined for one that is not there, or no longer. */
  termAt(index: number): number | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.entries[index - this.baseIndex - 1]?.term;
  }

  get(index: number): Entry | undefined {
    return this.entries[index - this.baseIndex - 1];
  }

  /** Entries from `from` to `to` at most, as many as fit the bounds, but at least one. */
  slice(from: number, to: number, maxBytes: number, maxEntries: number): readonly Entry[] {
    const first = from - this.baseIndex - 1;
    const end = Math.min(to - this.baseIndex, first + maxEntries, this.entries.length);
    let bytes = 0;
    let at = first;
    for (; at < end; at++) {
      const entry = this.entries[at];
      if (!entry) break;
      bytes += entryBytes(entry);
      if (bytes > maxBytes && at > first) break;
    }
    return this.entries.slice(first, at);
  }

  bytesBetween(after: number, upTo: number): number {
    let bytes = 0;
    for (let index = after + 1; index <= upTo; index++) {
      const entry = this.get(index);
      if (entry) bytes += entryBytes(entry);
    }
    return bytes;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      invariant(
        entry.index === this.lastIndex + 1,
        () => `entry ${entry.index} does not follow ${this.lastIndex}`,
      );
      this.entries.push(entry);
    }
  }

  /** The first of `entries` that the log has not, or has with another term. */
  firstNew(entries: readonly Entry[]): Entry | undefined {
    return entries.find((entry) => this.termAt(entry.index) !== entry.term);
  }

  truncateFrom(index: number): void {
    if (index > this.lastIndex) return;
    invariant(
      index > this.commit,
      () => `entry ${index} would be replaced, but ${this.commit} entries are committed`,
    );
    this.entries.length = index - this.baseIndex - 1;
    this.voidHanded(index);
  }

  /** The highest index up to `from` whose term is at most `term`; committed ones are not looked behind. */
  lastAtMost(from: number, term: number): number {
    let index = Math.min(from, this.lastIndex);
    while (index > this.commit && (this.termAt(index) ?? 0) > term) index--;
    return index;
  }

  /** Replaces everything by a checkpoint. */
  install(checkpoint: Checkpoint): void {
    this.entries = [];
    this.baseIndex = checkpoint.index;
    this.baseTerm = checkpoint.term;
    this.voidHanded(checkpoint.index + 1);
    this.handedIndex = this.stable = checkpoint.index;
    this.commit = this.applying = this.applied = checkpoint.index;
  }

  /** Forgets entries up to the checkpoint, but for the last `trailingBytes`. */
  compact(index: number, trailingBytes: number): void {
    let base = index;
    let bytes = 0;
    while (base > this.baseIndex) {
      const entry = this.get(base);
      bytes += entry ? entryBytes(entry) : 0;
      if (bytes > trailingBytes) break;
      base--;
    }
    const term = this.termAt(base);
    invariant(term !== undefined, () => `the log has no entry ${base} to compact to`);
    this.entries = this.entries.slice(base - this.baseIndex);
    this.baseIndex = base;
    this.baseTerm = term;
  }

  /** What has to be written now. */
  takeUnstable(): { truncateFrom: number | undefined; entries: readonly Entry[] } {
    const entries = this.entries.slice(Math.max(0, this.handedIndex - this.baseIndex));
    const truncateFrom = this.truncated;
    this.truncated = undefined;
    this.handedIndex = this.persisting = this.lastIndex;
    return { truncateFrom, entries };
  }

  takeCommitted(maxBytes: number): readonly Entry[] {
    const entries = this.slice(this.applying + 1, this.commit, maxBytes, Number.POSITIVE_INFINITY);
    this.applying += entries.length;
    return entries;
  }

  /** The outstanding Ready was written and applied. */
  advance(applied: number): void {
    if (this.persisting !== undefined) this.stable = Math.max(this.stable, this.persisting);
    this.persisting = undefined;
    this.applied = Math.max(this.applied, applied);
  }

  private voidHanded(from: number): void {
    if (from <= this.handedIndex) {
      this.truncated = Math.min(this.truncated ?? from, from);
      this.handedIndex = from - 1;
    }
    this.stable = Math.min(this.stable, from - 1);
    if (this.persisting !== undefined) this.persisting = Math.min(this.persisting, from - 1);
  }
}
