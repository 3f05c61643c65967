import type { Clock, Disk, Logger, Random } from "@atlasnet/core";
import type { Checkpoint, Entry, HardState } from "../raft/core/types.ts";
import type { StoredCheckpoint } from "./checkpoint-writer.ts";

export interface WalOptions {
  /** The folder of this log and nothing else (the lock may be in it). */
  readonly dir: string;
  readonly identity: { readonly cluster: string; readonly node: string };
  /**
   * False: there must be a log. For a node that the group knows: one that comes back without its log
   * would forget what it acknowledged. Default true.
   */
  readonly create?: boolean;
  /** Allocated length of a segment. Default 16 MiB, at least 16 KiB. */
  readonly segmentBytes?: number;
  /** What one write takes of the saves that wait. Default 1 MiB. */
  readonly maxGroupBytes?: number;
  /** Saves that may wait for the disk; past it the log fails. Default 256 MiB. */
  readonly maxWaitingBytes?: number;
}

export interface WalDependencies {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** The log failed, for good: stop the node. Called once. */
  onFailed?(error: unknown): void;
}

/** What is to become durable together, in this order. */
export interface Save {
  readonly hardState?: HardState | undefined;
  /** Entries from there on are void. */
  readonly truncateFrom?: number | undefined;
  /**
   * A finished checkpoint of this log. It becomes the newest. When the log does not reach its index it
   * replaces every entry; else it only covers those up to its index.
   */
  readonly checkpoint?: StoredCheckpoint | undefined;
  readonly entries?: readonly Entry[] | undefined;
}

/** What the log held when it was opened. */
export interface Stored {
  readonly hardState: HardState;
  readonly checkpoint: Checkpoint | undefined;
  /** All after the checkpoint, without gaps. */
  readonly entries: readonly Entry[];
}

/** For metrics and the decision when to write a checkpoint. Counters begin at 0 with the process. */
export interface WalFigures {
  readonly saves: number;
  /** Writes with their sync: `saves / groups` is what group commit gains. */
  readonly groups: number;
  readonly bytes: number;
  /** Sum of the time writes and syncs took. */
  readonly syncSeconds: number;
  readonly slowSyncs: number;
  readonly waitingBytes: number;
  readonly segments: number;
  /** Bytes of all segments on the disk, allocated ones included. */
  readonly segmentBytes: number;
  /** Bytes written since the newest checkpoint. */
  readonly bytesSinceCheckpoint: number;
  readonly failed: boolean;
}

export const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024;
export const MIN_SEGMENT_BYTES = 16 * 1024;
export const DEFAULT_MAX_GROUP_BYTES = 1024 * 1024;
export const DEFAULT_MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** Most bytes of one save; Raft's batches are far below. */
export const MAX_SAVE_BYTES = 64 * 1024 * 1024;
/** Checkpoints that are being written: our own, and one that the leader sends. */
export const MAX_CHECKPOINT_WRITERS = 2;
/** A write and sync that take longer are said in the log. */
export const SLOW_SYNC_MS = 1_000;
