import { type ArtifactStore, digestText } from "@atlasnet/artifacts";
import {
  type Clock,
  type ControlStore,
  type Disk,
  type Logger,
  OperatingError,
  type SnapshotRecord,
  worldOfShard,
} from "@atlasnet/core";
import { messageOf } from "@atlasnet/core/system";
import { shardFolder } from "../durability/file-names.ts";
import type { Ownership } from "../durability/plan-run.ts";
import type { RunOwner } from "../durability/run-file.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import { fetchSnapshot } from "./fetch-snapshot.ts";
import { UploadPace } from "./pieces-of-file.ts";
import { ShardUploads } from "./shard-uploads.ts";
import { isExact, type RecordedState } from "./snapshot-choice.ts";
import { SnapshotRecorder } from "./snapshot-recorder.ts";
import { SnapshotShipper } from "./snapshot-shipper.ts";
import type { StoreOfShard } from "./snapshot-store.ts";
import { StoreOutage } from "./store-outage.ts";

export interface WorldSnapshotsOptions {
  readonly node: string;
  /** The data directory. */
  readonly dataDir: string;
  /** Snapshots of a shard in the store. */
  readonly keep: number;
  readonly uploadBytesPerSecond: number;
  /** How long a world that was stopped is held until its last state is recorded, in ms. */
  readonly finishMs: number;
}

export interface WorldSnapshotsDependencies {
  readonly storeOf: StoreOfShard;
  readonly control: ControlStore;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The newest recorded snapshot of a shard, as its next owner sees it. */
export interface NewestSnapshot {
  readonly record: SnapshotRecord;
  readonly recorded: RecordedState;
  /** Nobody acted for the shard since. */
  readonly exact: boolean;
}

/** While the store does not answer, it is asked again after this long before a world leaves, in ms. */
const ASK_AGAIN_MS = 2_000;
/** A name that no snapshot has: asking for it shows whether the store answers. */
const NOBODY = "0".repeat(64);

/** What a gameserver does with the snapshot store for the worlds that it owns. */
export class WorldSnapshots {
  private readonly options: WorldSnapshotsOptions;
  private readonly dependencies: WorldSnapshotsDependencies;
  private readonly recorder: SnapshotRecorder;
  private readonly shards = new Map<string, ShardUploads>();
  readonly outage: StoreOutage;
  readonly shipper: SnapshotShipper;

  constructor(options: WorldSnapshotsOptions, dependencies: WorldSnapshotsDependencies) {
    const { node, keep, uploadBytesPerSecond } = options;
    const { control, clock, logger, disk } = dependencies;
    this.options = options;
    this.dependencies = dependencies;
    this.recorder = new SnapshotRecorder({ node, keep }, { store: control });
    this.outage = new StoreOutage({ clock, logger });
    const pace = new UploadPace({ bytesPerSecond: uploadBytesPerSecond }, clock);
    const { recorder, outage } = this;
    this.shipper = new SnapshotShipper({}, { recorder, disk, clock, logger, pace, outage });
  }

  /**
   * What is recorded of the world; to be asked after the claim, so that nobody else can record meanwhile.
   * Undefined: nothing of this world. @throws ControlError, OperatingError
   */
  async newest(shard: string, ownership: Ownership): Promise<NewestSnapshot | undefined> {
    const { record } = await this.recorder.read(shard);
    if (record === undefined || record.world !== ownership.world) return undefined;
    const { epoch, newest } = record;
    const { promotedOver } = ownership;
    const recorded = { epoch, tick: newest.tick, promotedOver };
    return { record, recorded, exact: isExact(record, ownership) };
  }

  /** Brings it to this node's disk. @throws OperatingError that says what to do: the world must not start empty. */
  async fetch(shard: string, { record: { newest } }: NewestSnapshot): Promise<void> {
    const world = worldOf(shard);
    const { disk, logger } = this.dependencies;
    const dir = shardFolder(this.options.dataDir, world, shard);
    try {
      await fetchSnapshot(dir, newest, { store: this.storeOf(shard), disk });
    } catch (error) {
      const hint = error instanceof OperatingError ? error.hint : undefined;
      throw new OperatingError(
        "snapshot-unavailable",
        `the newest snapshot of world ${world} (tick ${newest.tick}) cannot be had: ${messageOf(error)}`,
        {
          facts: { world, digest: digestText(newest.digest) },
          ...(hint === undefined ? {} : { hint }),
          cause: error,
        },
      );
    }
    logger.info("A world goes on from a snapshot of the store.", {
      ...{ world, shard, tick: newest.tick, bytes: newest.bytes },
    });
  }

  /** The world is about to be opened: what it writes from now on is for the store. */
  expect(shard: string, newest: NewestSnapshot | undefined): void {
    this.forget(shard);
    const world = worldOf(shard);
    const recordedAt = newest?.record.newest.taken ?? this.dependencies.clock.wallTime();
    this.shards.set(shard, new ShardUploads({ world, shard, recordedAt }, this.storeOf(shard)));
  }

  /**
   * To be told before the world is opened from a state that others may not have gone on from: what they did is given
   * up, for good. Their files do not count any more, whatever becomes of this node.
   * @throws ControlError; OperatingError "ownership-lost"
   */
  async giveUpOthers(shard: string, { epoch, world, turn }: Ownership): Promise<void> {
    const outcome = await this.recorder.record(shard, {
      owner: { epoch, world, turn },
      final: false,
    });
    if (outcome.type === "fenced")
      throw new OperatingError("ownership-lost", `the shard ${shard} was given away meanwhile`);
  }

  /** The world is open. `began`: what was recorded of it before. */
  begin(shard: string, ownership: Ownership, began: NewestSnapshot | undefined): void {
    const uploads = this.shards.get(shard);
    if (uploads === undefined) return;
    const { epoch, world, turn, lastTurn } = ownership;
    // Somebody else may have acted since that was recorded: what they did is given up now, for good.
    if (began !== undefined && !began.exact && lastTurn === undefined)
      this.shipper.submit(uploads, {
        ...{ owner: { epoch, world, turn }, snapshot: undefined, final: false },
      });
  }

  /** One is on the disk. */
  written(shard: string, snapshot: WrittenSnapshot, final: boolean): void {
    const { owner } = snapshot;
    const uploads = this.shards.get(shard);
    if (owner === undefined || uploads === undefined) return;
    this.shipper.submit(uploads, { owner, snapshot, final });
  }

  /** It sleeps, and is closed: its last state is the one at this tick, which was written when it fell asleep. */
  endedAsleep(shard: string, { epoch, world, turn }: RunOwner, tick: number): void {
    const uploads = this.shards.get(shard);
    if (uploads === undefined) return;
    const { waiting } = uploads;
    const isIt = waiting?.snapshot?.tick === tick;
    const upload = { owner: { epoch, world, turn }, snapshot: undefined, final: true, tick };
    this.shipper.submit(uploads, isIt ? { ...waiting, final: true } : upload);
  }

  /** Resolves once the store answers, or `goesOn` says that nobody waits for it any more. */
  async reachable(shard: string, goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      try {
        await this.storeOf(shard).has(NOBODY);
        return;
      } catch (error) {
        this.outage.failed(error);
      }
      await new Promise<void>((resolve) => {
        this.dependencies.clock.setTimer(ASK_AGAIN_MS, resolve);
      });
    }
  }

  /** The world was stopped: resolves once its last state is recorded, or cannot be within `finishMs`. */
  async finish(shard: string): Promise<void> {
    const uploads = this.shards.get(shard);
    if (uploads === undefined) return;
    const { finishMs } = this.options;
    const ended = await this.shipper.ends(uploads, finishMs);
    this.forget(shard);
    if (ended) return;
    this.dependencies.logger.error(
      "The last state of a world is on this node's disk only: elsewhere it goes on from an older snapshot, and its players go back in time.",
      { shard, waitedMs: finishMs, newest: new Date(uploads.recordedAt).toISOString() },
    );
  }

  /** Nothing more is recorded for it under the ownership that it had. */
  forget(shard: string): void {
    const uploads = this.shards.get(shard);
    if (uploads === undefined) return;
    this.shards.delete(shard);
    this.shipper.forget(uploads);
  }

  /** Everything was taken from this node. */
  lost(): void {
    for (const shard of [...this.shards.keys()]) this.forget(shard);
  }

  /** Seconds since the newest recorded state of each open world was taken. */
  ages(): readonly { readonly world: string; readonly seconds: number }[] {
    const now = this.dependencies.clock.wallTime();
    return [...this.shards.values()].map(({ world, recordedAt }) => ({
      ...{ world, seconds: Math.max(0, (now - recordedAt) / 1000) },
    }));
  }

  get waiting(): number {
    let count = 0;
    for (const shard of this.shards.values()) if (!shard.isIdle) count += 1;
    return count;
  }

  stop(): void {
    this.shipper.stop();
  }

  private storeOf(shard: string): ArtifactStore {
    return this.dependencies.storeOf(worldOf(shard), shard);
  }
}

function worldOf(shard: string): string {
  const world = worldOfShard(shard);
  if (world === undefined) throw new RangeError(`${shard} is no name of a shard`);
  return world;
}
