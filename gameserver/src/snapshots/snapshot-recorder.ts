import {
  ABSENT,
  ControlError,
  type ControlStore,
  decodeRecord,
  MAX_OLDER_SNAPSHOTS,
  OperatingError,
  ownerKey,
  recordSnapshot,
  type Seen,
  type SnapshotFacts,
  type SnapshotRecord,
  seen,
  snapshotKey,
} from "@atlasnet/core";
import type { RunOwner } from "../durability/run-file.ts";

export interface SnapshotRecorderOptions {
  readonly node: string;
  /** Snapshots kept in the store, the newest included; at most MAX_OLDER_SNAPSHOTS + 1. */
  readonly keep: number;
}

/** What is recorded for a shard by its owner. */
export interface ToRecord {
  readonly owner: RunOwner;
  /** Absent: the newest one stays what it is, and is this owner's from now on. */
  readonly facts?: SnapshotFacts | undefined;
  readonly final: boolean;
}

export type Recorded =
  /** `dropped`: what is not named any more. */
  | {
      readonly type: "recorded";
      readonly record: SnapshotRecord;
      readonly dropped: readonly SnapshotFacts[];
    }
  /** Somebody else owns the shard by now, or nobody: nothing was changed. */
  | { readonly type: "fenced" }
  /** There is nothing to record: no snapshot of this world. */
  | { readonly type: "nothing" };

/** Tries at once; whoever asks tries again later. */
const MAX_TRIES = 4;

/** The records of snapshots in the control store: read, and replaced by the owner of a shard alone. */
export class SnapshotRecorder {
  private readonly options: SnapshotRecorderOptions;
  private readonly store: ControlStore;

  constructor(options: SnapshotRecorderOptions, { store }: { readonly store: ControlStore }) {
    this.options = options;
    this.store = store;
  }

  /** The newest record. @throws ControlError, OperatingError "bad-snapshot-record" */
  async read(shard: string): Promise<Seen<SnapshotRecord>> {
    const { items } = await this.store.range({ key: snapshotKey(shard) });
    const [item] = items;
    if (item === undefined) return ABSENT;
    const decoded = decodeRecord("snapshot", item.value);
    if (decoded.ok) return seen(decoded.record, item);
    throw new OperatingError(
      "bad-snapshot-record",
      `the record of the newest snapshot of ${shard} cannot be read: ${decoded.problem}`,
      { hint: "A newer AtlasNet wrote it: bring this node to the same version." },
    );
  }

  /** Whether the shard is still owned at this epoch. @throws ControlError */
  async isOwned(shard: string, epoch: number): Promise<boolean> {
    const { items } = await this.store.range({ key: ownerKey(shard) });
    return items[0]?.modified === epoch;
  }

  /** @throws ControlError when it cannot be told whether it was recorded: ask again. */
  async record(shard: string, wish: ToRecord): Promise<Recorded> {
    let failure: unknown;
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const before = await this.read(shard);
      const record = this.next(before.record, wish);
      if (record === undefined) return { type: "nothing" };
      const dropped = without(before.record, record);
      // The answer to an earlier try was lost.
      if (before.record !== undefined && isSame(before.record, record))
        return { type: "recorded", record, dropped };
      try {
        const { succeeded } = await this.store.txn(recordSnapshot(shard, before, record));
        if (succeeded) return { type: "recorded", record, dropped };
        if (!(await this.isOwned(shard, record.epoch))) return { type: "fenced" };
      } catch (error) {
        const isUnknown =
          error instanceof ControlError && (error.code === "timeout" || error.code === "no-quorum");
        if (!isUnknown) throw error;
        failure = error;
      }
    }
    throw failure ?? new ControlError("timeout", `the snapshot of ${shard} was not recorded`);
  }

  private next(
    before: SnapshotRecord | undefined,
    { owner, facts, final }: ToRecord,
  ): SnapshotRecord | undefined {
    const { node, keep } = this.options;
    const { world, epoch, turn } = owner;
    const known = before?.world === world ? [before.newest, ...before.older] : [];
    const newest = facts ?? known[0];
    if (newest === undefined) return undefined;
    const older = known
      .filter(({ digest }) => !sameDigest(digest, newest.digest))
      .slice(0, Math.min(keep - 1, MAX_OLDER_SNAPSHOTS));
    return { world, node, epoch, turn, final, newest, older };
  }
}

function without(before: SnapshotRecord | undefined, after: SnapshotRecord): SnapshotFacts[] {
  if (before === undefined) return [];
  const named = [after.newest, ...after.older];
  return [before.newest, ...before.older].filter(
    ({ digest }) => !named.some((each) => sameDigest(each.digest, digest)),
  );
}

function isSame(a: SnapshotRecord, b: SnapshotRecord): boolean {
  return (
    a.node === b.node &&
    a.epoch === b.epoch &&
    a.final === b.final &&
    sameDigest(a.newest.digest, b.newest.digest)
  );
}

function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
