import type { Entry } from "../core/types.ts";
import { RaftError } from "./raft-error.ts";

/** Where an entry stands in the log. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

interface Waiting extends Position {
  readonly deadline: number;
  resolve(position: Position): void;
  reject(error: RaftError): void;
}

/** Who waits for an entry to be applied here. Deadlines are all as long, so the oldest come first. */
export class WaitingProposals {
  private readonly byIndex = new Map<number, Waiting>();

  get size(): number {
    return this.byIndex.size;
  }

  add(position: Position, deadline: number): Promise<Position> {
    return new Promise((resolve, reject) => {
      // A proposal of an earlier leadership at this index is gone from the log.
      this.byIndex.get(position.index)?.reject(superseded(position.index));
      this.byIndex.delete(position.index);
      this.byIndex.set(position.index, { ...position, deadline, resolve, reject });
    });
  }

  applied(entries: readonly Entry[]): void {
    if (this.byIndex.size === 0) return;
    for (const { index, term } of entries) {
      const waiting = this.byIndex.get(index);
      if (waiting === undefined) continue;
      this.byIndex.delete(index);
      if (waiting.term === term) waiting.resolve({ index, term });
      else waiting.reject(superseded(index));
    }
  }

  /** A checkpoint took the place of the log up to `index`: what was there nobody can tell. */
  jumped(index: number): void {
    this.fail(({ index: at }) => at <= index, "a checkpoint took the place of the log here");
  }

  /** Gives up what is past its deadline. */
  expire(now: number): void {
    for (const [index, waiting] of this.byIndex) {
      if (waiting.deadline > now) return;
      this.byIndex.delete(index);
      waiting.reject(new RaftError("unknown", "the proposal was not committed in time"));
    }
  }

  failAll(why: string): void {
    this.fail(() => true, why);
  }

  private fail(which: (waiting: Waiting) => boolean, why: string): void {
    for (const [index, waiting] of this.byIndex) {
      if (!which(waiting)) continue;
      this.byIndex.delete(index);
      waiting.reject(new RaftError("unknown", `it is not known whether a proposal counts: ${why}`));
    }
  }
}

function superseded(index: number): RaftError {
  return new RaftError("superseded", `another leader's entry took the place of ${index}`);
}
