import type { Clock, Disk, Logger } from "@atlasnet/core";
import type { RunOwner } from "./run-file.ts";
import type { SnapshotHeader } from "./snapshot-file.ts";

export interface ShardStorageOptions {
  /** The data directory; the shard's files are in `worlds/<world>/<shard>` of it. */
  dir: string;
  world: string;
  shard: string;
  /** Snapshots kept, the newest included; at least 1. Default 3. */
  keepSnapshots?: number;
  /** False: nothing but snapshots. Default true. */
  journal?: boolean;
  /** How long a delta may wait to be synced, in milliseconds. Default 1000. */
  journalSyncMs?: number;
  /** Bytes of deltas that are not synced yet; past it `append` refuses. Default 64 MiB. */
  maxJournalQueueBytes?: number;
}

export interface ShardStorageDependencies {
  disk: Disk;
  clock: Clock;
  logger: Logger;
  /** The disk failed. The shard goes on; see `health` and `needsSnapshot`. */
  onFault?(fault: StorageFault): void;
}

export interface StorageFault {
  part: "journal" | "snapshot";
  error: unknown;
  /** When the next try is due: the journal's own, or the snapshot the caller should write. */
  retryMs: number;
}

/** For the readiness check `storage`, and for metrics. All counters begin at 0 with the process. */
export interface StorageHealth {
  /** `failing`: deltas wait for a disk that does not take them. `gap`: a snapshot is needed. */
  journal: "off" | "ok" | "failing" | "gap";
  snapshot: "ok" | "failing";
  /** The newest fault's message while something fails. */
  problem: string | undefined;
  /** Gauge `atlasnet_journal_waiting_bytes`. */
  journalWaitingBytes: number;
  /** Counters `atlasnet_journal_{deltas,bytes,refused,faults}_total`. */
  journalDeltas: number;
  journalBytes: number;
  journalRefused: number;
  journalFaults: number;
  /** Counters `atlasnet_snapshot{s,_faults}_total`. */
  snapshots: number;
  snapshotFaults: number;
}

/** What the caller says about a snapshot; the rest of its header is known here. */
export type SnapshotFacts = Pick<SnapshotHeader, "module" | "schema" | "tick">;

/** A snapshot that is durable on this node's disk. */
export interface WrittenSnapshot extends SnapshotFacts {
  readonly path: string;
  readonly timeline: number;
  /** Under which the shard runs; undefined without a control plane. */
  readonly owner: RunOwner | undefined;
  /** In ms since 1970. */
  readonly takenAt: number;
}

export const DEFAULT_KEEP_SNAPSHOTS = 3;
export const DEFAULT_JOURNAL_SYNC_MS = 1000;
export const DEFAULT_MAX_JOURNAL_QUEUE_BYTES = 64 * 1024 * 1024;
