import { NO_MEMBERS } from "./members.ts";
import { decodeMembers } from "./members-codec.ts";
import type { Entry, Members } from "./types.ts";

interface Change {
  readonly index: number;
  readonly members: Members;
}

/**
 * Who took part from which index on. A change counts from the moment its entry is in the log,
 * committed or not, and is undone when that entry is truncated.
 */
export class MembersHistory {
  private changes: Change[];

  constructor(base: Change = { index: 0, members: NO_MEMBERS }) {
    this.changes = [base];
  }

  get current(): Members {
    return this.changes.at(-1)?.members ?? NO_MEMBERS;
  }

  /** Members before the newest change; those of the log's start when there was none. */
  get previous(): Members {
    return (this.changes.at(-2) ?? this.changes.at(-1))?.members ?? NO_MEMBERS;
  }

  /** Index of the newest change; it is pending while that is not committed. */
  get changedAt(): number {
    return this.changes.at(-1)?.index ?? 0;
  }

  /** Members after the entry at `index`. */
  at(index: number): Members {
    return this.changes.findLast((change) => change.index <= index)?.members ?? NO_MEMBERS;
  }

  /** Takes up the changes among entries that were just put at the end of the log. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries)
      if (entry.type === "members")
        this.changes.push({ index: entry.index, members: decodeMembers(entry.data) });
  }

  truncateFrom(index: number): void {
    this.changes = this.changes.filter((change, at) => at === 0 || change.index < index);
  }

  /** Forgets what was before `index`. */
  compact(index: number): void {
    const first = this.changes.findLastIndex((change) => change.index <= index);
    if (first > 0) this.changes.splice(0, first);
  }

  reset(index: number, members: Members): void {
    this.changes = [{ index, members }];
  }
}
