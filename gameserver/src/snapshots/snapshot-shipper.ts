import { createHash } from "node:crypto";
import { digestBytes, digestText } from "@atlasnet/artifacts";
import {
  type Clock,
  type Disk,
  DiskError,
  type Logger,
  type SnapshotFacts,
  type SnapshotRecord,
} from "@atlasnet/core";
import { canonicalJson } from "@atlasnet/world";
import { digestOfFile, piecesOfFile, type UploadPace } from "./pieces-of-file.ts";
import type { ShardUploads, Upload } from "./shard-uploads.ts";
import type { Recorded, SnapshotRecorder } from "./snapshot-recorder.ts";
import type { StoreOutage } from "./store-outage.ts";

/** Shards whose snapshots are under way at once; others wait. */
export const MAX_UPLOADS = 4;
/** Pauses after a failure, in ms: doubled each time. Those who wait for an end are asked again sooner. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const FINAL_RETRY_MS = 2_000;
/** Objects without a record that are removed at once; the rest goes the next time. */
const MAX_SWEPT = 100;

export interface SnapshotShipperDependencies {
  readonly recorder: Pick<SnapshotRecorder, "record" | "isOwned">;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pace: UploadPace;
  readonly outage: StoreOutage;
}

/**
 * Brings snapshots from this node's disk into the store that all nodes reach:
 *
 * 1. A snapshot is recorded only after all of it is in the store.
 * 2. Whatever fails is tried again after growing pauses; a newer snapshot takes the place of one that waits.
 * 3. Nothing is removed from the store that the record names, or that a later owner may have put there.
 */
export class SnapshotShipper {
  private readonly dependencies: SnapshotShipperDependencies;
  private readonly atOnce: number;
  /** Wait for their turn; those that end come first. */
  private readonly queue = new Set<ShardUploads>();
  private active = 0;
  private stopped = false;
  /** For figures. */
  readonly counts = { uploads: 0, bytes: 0, fenced: 0, swept: 0 };

  constructor(
    { atOnce = MAX_UPLOADS }: { readonly atOnce?: number },
    dependencies: SnapshotShipperDependencies,
  ) {
    this.atOnce = atOnce;
    this.dependencies = dependencies;
  }

  submit(shard: ShardUploads, upload: Upload): void {
    if (this.stopped) return;
    shard.ended = false;
    shard.offer(upload);
    if (upload.final) {
      // Players wait for it: a pause that was meant for one in a while is over.
      shard.retry?.cancel();
      shard.retry = undefined;
      shard.failures = 0;
    }
    this.queue.add(shard);
    this.fill();
  }

  /** Nothing of it begins any more; whoever waits for its end is told that there is none. */
  forget(shard: ShardUploads): void {
    this.queue.delete(shard);
    shard.retry?.cancel();
    shard.retry = undefined;
    shard.waiting = undefined;
    this.rests(shard);
  }

  /** True once its end is recorded; false when the time is over before, or there is nothing to wait for. */
  async ends(shard: ShardUploads, waitMs: number): Promise<boolean> {
    if (!shard.isIdle)
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel();
          shard.idle.delete(done);
          resolve();
        };
        const timer = this.dependencies.clock.setTimer(waitMs, done);
        shard.idle.add(done);
      });
    return shard.ended;
  }

  stop(): void {
    this.stopped = true;
    for (const shard of [...this.queue]) this.forget(shard);
  }

  private fill(): void {
    while (this.active < this.atOnce) {
      const next = this.next();
      if (next === undefined) return;
      this.queue.delete(next);
      const upload = next.waiting;
      if (upload === undefined) continue;
      next.waiting = undefined;
      next.running = upload;
      this.active += 1;
      this.run(next, upload).catch((error: unknown) =>
        this.dependencies.logger.error("A fault of the gameserver's own.", { error }),
      );
    }
  }

  private next(): ShardUploads | undefined {
    let found: ShardUploads | undefined;
    for (const shard of this.queue) {
      if (shard.running !== undefined || shard.retry !== undefined) continue;
      if (shard.waiting?.final === true) return shard;
      found ??= shard;
    }
    return found;
  }

  private async run(shard: ShardUploads, upload: Upload): Promise<void> {
    const { outage, logger } = this.dependencies;
    try {
      const outcome = await this.ship(shard, upload);
      outage.succeeded();
      shard.failures = 0;
      if (outcome === "fenced") {
        this.counts.fenced += 1;
        logger.info("A snapshot was not recorded: the shard is not this node's any more.", {
          shard: shard.shard,
          epoch: upload.owner.epoch,
        });
      }
    } catch (error) {
      outage.failed(error);
      this.again(shard, upload);
    } finally {
      shard.running = undefined;
      this.active -= 1;
      if (shard.waiting === undefined) this.rests(shard);
      else if (shard.retry === undefined) this.queue.add(shard);
      this.fill();
    }
  }

  private again(shard: ShardUploads, upload: Upload): void {
    if (this.stopped) return;
    shard.waiting ??= upload;
    const longest = shard.waiting.final ? FINAL_RETRY_MS : LAST_RETRY_MS;
    const ms = Math.min(longest, FIRST_RETRY_MS * 2 ** Math.min(20, shard.failures));
    shard.failures += 1;
    shard.retry = this.dependencies.clock.setTimer(ms, () => {
      shard.retry = undefined;
      if (shard.waiting === undefined) return;
      this.queue.add(shard);
      this.fill();
    });
  }

  private rests(shard: ShardUploads): void {
    for (const wake of [...shard.idle]) wake();
  }

  private async ship(
    shard: ShardUploads,
    { owner, snapshot, final, tick }: Upload,
  ): Promise<"recorded" | "fenced" | "nothing"> {
    let facts: SnapshotFacts | undefined;
    if (snapshot !== undefined) {
      if (shard.stored?.path !== snapshot.path) {
        const stored = await this.upload(shard, snapshot);
        // A newer one took its place on the disk, and comes next.
        if (stored === undefined) return "nothing";
        shard.stored = { path: snapshot.path, facts: stored };
      }
      facts = shard.stored?.facts;
    } else if (final) {
      facts = shard.stored?.facts;
      if (facts?.tick !== tick) return "nothing";
    }
    const { recorder } = this.dependencies;
    const outcome = await recorder.record(shard.shard, { owner, facts, final });
    if (outcome.type !== "recorded") return outcome.type;
    if (facts !== undefined) shard.recordedAt = outcome.record.newest.taken;
    shard.ended = final;
    // Somebody waits for an end; what is to be removed is found by the next owner.
    if (!final) await this.tidy(shard, outcome);
    return "recorded";
  }

  private async upload(
    shard: ShardUploads,
    snapshot: NonNullable<Upload["snapshot"]>,
  ): Promise<SnapshotFacts | undefined> {
    const { disk, pace } = this.dependencies;
    const { path, module, schema, timeline, tick, takenAt } = snapshot;
    try {
      const { digest, bytes } = await digestOfFile(disk, path);
      const urgent = () => shard.running?.final === true || shard.waiting?.final === true;
      await shard.store.put(pace.paced(piecesOfFile(disk, path), urgent), { digest, bytes });
      this.counts.uploads += 1;
      this.counts.bytes += bytes;
      const written = createHash("sha256").update(canonicalJson(schema)).digest("hex");
      return {
        digest: digestBytes(digest),
        bytes,
        timeline,
        tick,
        module,
        schema: digestBytes(written),
        taken: Math.max(0, Math.trunc(takenAt)),
      };
    } catch (error) {
      if (error instanceof DiskError && error.code === "ENOENT" && error.path === path)
        return undefined;
      throw error;
    }
  }

  /** Removes what the record does not name any more. What cannot be removed is found the next time. */
  private async tidy(
    shard: ShardUploads,
    { record, dropped }: Extract<Recorded, { type: "recorded" }>,
  ): Promise<void> {
    try {
      for (const { digest } of dropped) await shard.store.remove(digestText(digest));
      if (shard.sweepDue) await this.sweep(shard, record);
      shard.sweepDue = false;
    } catch (error) {
      shard.sweepDue = true;
      this.dependencies.logger.warn("Old snapshots could not be removed from the store.", {
        shard: shard.shard,
        error,
      });
    }
  }

  /**
   * Removes what no record names, of uploads that were never recorded. What was there while this owner still was the
   * owner, no later one has put there.
   */
  private async sweep(shard: ShardUploads, record: SnapshotRecord): Promise<void> {
    const there = await shard.store.list();
    if (!(await this.dependencies.recorder.isOwned(shard.shard, record.epoch))) return;
    const named = new Set([record.newest, ...record.older].map(({ digest }) => digestText(digest)));
    const orphans = there.filter((digest) => !named.has(digest)).slice(0, MAX_SWEPT);
    for (const digest of orphans) {
      await shard.store.remove(digest);
      this.counts.swept += 1;
    }
  }
}
