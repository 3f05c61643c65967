import type { Clock, Logger, PseudoRandom } from "@atlasnet/core";
import type { WriteAheadLog } from "../../wal/write-ahead-log.ts";
import type { RaftMessage } from "../core/messages.ts";
import type { Entry, Members, RaftStatus } from "../core/types.ts";

/** Carries messages to other members: late, twice or not at all, as the core expects. */
export interface RaftTransport {
  /** Never throws; what cannot be sent is dropped, for the core repeats what matters. */
  send(message: RaftMessage): void;
}

/** What of the write-ahead log a runner uses. Its creator closes it, after the runner was stopped. */
export type RaftStorage = Pick<
  WriteAheadLog,
  "save" | "beginCheckpoint" | "readCheckpoint" | "bytesSinceCheckpoint" | "identity"
>;

/** What the log is for. Nothing else changes it. */
export interface GroupMachine {
  /** Committed entries, each once, in order and without a gap. An error stops the node. */
  apply(entries: readonly Entry[]): void;
  /** The state after all that was applied, in pieces. Taken piece by piece later: it must not change. */
  freeze(): Iterable<Uint8Array>;
  /** A state from elsewhere comes in; it takes the place of this one with `finish`. */
  beginInstall(): MachineInstall;
}

export interface MachineInstall {
  /** Cut anywhere. An error stops the node. */
  push(bytes: Uint8Array): void;
  finish(): void;
}

/** What a runner tells. Nothing is called from within a call of the runner's. */
export interface RunnerEvents {
  /** Role, term or leader changed. */
  onChange?(status: RaftStatus): void;
  /** Also at the start, with the members that the log names. */
  onMembers?(members: Members): void;
  onApplied?(entries: readonly Entry[]): void;
  /** The node has stopped itself: its disk failed, or something is not as it must be. */
  onFailed?(error: unknown): void;
  /** The group knows another log under this id: this node must be removed and added anew. */
  onRetired?(reason: NonNullable<RaftStatus["retired"]>): void;
}

export interface RunnerDependencies {
  readonly clock: Clock;
  readonly random: PseudoRandom;
  readonly log: RaftStorage;
  readonly transport: RaftTransport;
  readonly machine: GroupMachine;
  readonly logger: Logger;
  readonly events?: RunnerEvents;
}
