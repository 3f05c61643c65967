import type { ArtifactStore } from "@atlasnet/artifacts";
import type { SnapshotFacts, Timer } from "@atlasnet/core";
import type { RunOwner } from "../durability/run-file.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";

/** Something to be recorded for a shard. */
export interface Upload {
  readonly owner: RunOwner;
  /** Absent: only that this owner runs the shard now, from the newest recorded one or a later state. */
  readonly snapshot: WrittenSnapshot | undefined;
  /** Without a snapshot, and final: the one in the store that is of this tick was the end of it. */
  readonly tick?: number;
  /** The shard was stopped at it. */
  readonly final: boolean;
}

/** What the store gets of one shard: one thing at a time, the newest next. */
export class ShardUploads {
  readonly world: string;
  readonly shard: string;
  readonly store: ArtifactStore;
  waiting: Upload | undefined;
  running: Upload | undefined;
  /** In a row. */
  failures = 0;
  /** While it is set, nothing begins. */
  retry: Timer | undefined;
  /** The newest one that is whole in the store. */
  stored: { readonly path: string; readonly facts: SnapshotFacts } | undefined;
  /** The newest one that was recorded, or what the shard began with: in ms since 1970. */
  recordedAt: number;
  /** There may be objects that no record names. */
  sweepDue = true;
  /** Whether the last thing recorded was the end of it. */
  ended = false;
  readonly idle = new Set<() => void>();

  constructor(
    { world, shard, recordedAt }: { world: string; shard: string; recordedAt: number },
    store: ArtifactStore,
  ) {
    this.world = world;
    this.shard = shard;
    this.recordedAt = recordedAt;
    this.store = store;
  }

  get isIdle(): boolean {
    return this.waiting === undefined && this.running === undefined;
  }

  /** A snapshot is worth more than the word that somebody runs the shard, and a later one more than an earlier. */
  offer(upload: Upload): void {
    if (upload.snapshot === undefined && this.waiting !== undefined) return;
    this.waiting = upload;
  }
}
