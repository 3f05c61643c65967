import type { RaftCore } from "../../core/raft-core.ts";
import type { Checkpoint, Entry, RaftStatus } from "../../core/types.ts";

/** A node as checkers see it, right after something happened to it. */
export interface NodeView {
  readonly id: string;
  readonly core: Pick<RaftCore, "entryAt">;
  readonly status: RaftStatus;
}

/** Watches one invariant of a run. Throws a SimViolation when it is broken. */
export interface Checker {
  /** Something happened to a node. */
  onState?(view: NodeView): void;
  /** Entries went into a node's log. */
  onEntries?(view: NodeView, entries: readonly Entry[]): void;
  /** A node applied an entry to its state machine. */
  onApply?(id: string, entry: Entry): void;
  /** A node replaced its state machine by a checkpoint, which holds these commands. */
  onInstall?(id: string, checkpoint: Checkpoint, values: readonly number[]): void;
  onCrash?(id: string): void;
}
