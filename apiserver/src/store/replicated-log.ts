import type { LeaderInfo } from "@atlasnet/core";
import type { CheckpointDecoder } from "./checkpoint-decoder.ts";
import type { LogEntry } from "./state-machine.ts";

/** What the store needs of Raft. */
export interface ReplicatedLog {
  /** The name of this node in the group. */
  readonly node: string;
  /**
   * Appends a command, when this node leads. Whether it is committed shows in what is applied at that index:
   * an entry of another term there means that this one never will be.
   */
  propose(command: Uint8Array): Proposed;
  /**
   * An index that is not below any entry committed before the call; a state that has applied it may be read.
   * On any node. Refused when nobody can tell; it always settles, within about an election timeout.
   */
  readIndex(): Promise<ReadIndex>;
  /** Who leads as far as is known here. A node that lost its quorum names nobody. */
  leader(): LeaderInfo | undefined;
  /** Registers the one who takes what is committed. Calls come later than this one, never from `propose`. */
  attach(consumer: LogConsumer): void;
}

export type Proposed =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | { readonly ok: false };

export type ReadIndex = { readonly ok: true; readonly index: number } | { readonly ok: false };

export interface LogConsumer {
  /** Committed entries, each once, in order, without a gap. @throws CommandError, which stops the node. */
  apply(entries: readonly LogEntry[]): void;
  /** A checkpoint that the decoder has taken in replaces the state; entries go on behind it. @throws CheckpointError */
  install(checkpoint: CheckpointDecoder): void;
  leaderChanged(): void;
}
