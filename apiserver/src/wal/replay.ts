import type { Entry } from "../raft/core/types.ts";
import { LogTip, type TipState } from "./log-tip.ts";
import type { CheckpointRef, LogRecord } from "./record.ts";

/**
 * Makes the log's content from its records. Pure. Entries that the older of two checkpoints covers are
 * let go as soon as the newer one is read.
 */
export class Replay {
  readonly tip: LogTip;
  /** Index of the first entry that is or would be here. */
  private first: number;
  private list: Entry[] = [];

  /** `before`: what the first segment's header says of what was before it. */
  constructor(before: TipState) {
    this.tip = new LogTip(before);
    this.first = before.lastIndex + 1;
  }

  /** @throws WrongRecord */
  apply(record: LogRecord): void {
    this.tip.apply(record);
    switch (record.type) {
      case "entry":
        // The record is a view into a whole segment, which must not be kept for it.
        this.list.push({ ...record.entry, data: Uint8Array.from(record.entry.data) });
        return;
      case "truncate":
        this.list.length = Math.max(0, record.from - this.first);
        this.first = Math.min(this.first, record.from);
        return;
      case "checkpoint":
        this.takeCheckpoint(record.checkpoint);
        return;
      case "hard-state":
      case "drop-checkpoint":
    }
  }

  /** The entries after `index`; undefined when the first of them are not here. */
  entriesAfter(index: number): readonly Entry[] | undefined {
    return index + 1 < this.first ? undefined : this.list.slice(index + 1 - this.first);
  }

  /** Index of the first entry that is here. */
  get firstIndex(): number {
    return this.first;
  }

  /**
   * Entries are those that lead to the checkpoint if the last of them has its term (Raft's log
   * matching). Those before a leader's checkpoint may be others, and no older checkpoint leads there.
   */
  private takeCheckpoint({ index, term }: CheckpointRef): void {
    const matches = this.list[index - this.first]?.term === term;
    if (!matches) {
      this.tip.forgetOlderCheckpoints();
      this.letGo(index);
    }
    const [older, newer] = this.tip.checkpoints;
    if (older !== undefined && newer !== undefined) this.letGo(older.index);
  }

  private letGo(upTo: number): void {
    if (upTo < this.first) return;
    this.list.splice(0, upTo + 1 - this.first);
    this.first = upTo + 1;
  }
}
