import type { HardState } from "../raft/core/types.ts";
import type { CheckpointRef, LogRecord } from "./record.ts";

/** Checkpoints that are kept: the newest, and the one before in case its file is damaged. */
export const KEPT_CHECKPOINTS = 2;

/** What a segment's header says about everything before it, so that older segments can go. */
export interface TipState {
  readonly hardState: HardState;
  readonly lastIndex: number;
  /** Oldest first, at most KEPT_CHECKPOINTS. */
  readonly checkpoints: readonly CheckpointRef[];
}

/** A record that cannot follow what the log says before it. */
export class WrongRecord extends Error {
  readonly code = "wrong-record";
}

/**
 * Where the log stands: everything but the entries. The writer and recovery take every record through
 * it, so that what could not be read is not written either.
 */
export class LogTip {
  hardState: HardState = { term: 0, vote: "" };
  lastIndex = 0;
  checkpoints: readonly CheckpointRef[] = [];

  constructor(state?: TipState) {
    if (state === undefined) return;
    this.hardState = state.hardState;
    this.lastIndex = state.lastIndex;
    this.checkpoints = state.checkpoints;
  }

  get state(): TipState {
    const { hardState, lastIndex, checkpoints } = this;
    return { hardState, lastIndex, checkpoints };
  }

  get checkpointIndex(): number {
    return this.checkpoints.at(-1)?.index ?? 0;
  }

  /** @throws WrongRecord, and then nothing has changed. */
  apply(record: LogRecord): void {
    switch (record.type) {
      case "hard-state":
        if (record.hardState.term < this.hardState.term)
          throw new WrongRecord(
            `term ${record.hardState.term} follows term ${this.hardState.term}`,
          );
        this.hardState = record.hardState;
        return;
      case "truncate":
        if (record.from <= this.checkpointIndex || record.from > this.lastIndex + 1)
          throw new WrongRecord(
            `entries from ${record.from} on are truncated in a log with entries ${this.checkpointIndex + 1} to ${this.lastIndex}`,
          );
        this.lastIndex = record.from - 1;
        return;
      case "checkpoint":
        this.takeCheckpoint(record.checkpoint);
        return;
      case "drop-checkpoint":
        this.checkpoints = this.checkpoints.filter(({ id }) => id !== record.id);
        return;
      case "entry":
        if (record.entry.index !== this.lastIndex + 1)
          throw new WrongRecord(`entry ${record.entry.index} follows entry ${this.lastIndex}`);
        this.lastIndex = record.entry.index;
    }
  }

  /** The newest does not follow from them. */
  forgetOlderCheckpoints(): void {
    this.checkpoints = this.checkpoints.slice(-1);
  }

  private takeCheckpoint(checkpoint: CheckpointRef): void {
    if (checkpoint.index <= this.checkpointIndex)
      throw new WrongRecord(
        `a checkpoint at ${checkpoint.index} follows one at ${this.checkpointIndex}`,
      );
    // Without the entries between the two, the older one leads nowhere.
    const older = checkpoint.index > this.lastIndex ? [] : this.checkpoints;
    this.checkpoints = [...older, checkpoint].slice(-KEPT_CHECKPOINTS);
    this.lastIndex = Math.max(this.lastIndex, checkpoint.index);
  }
}
