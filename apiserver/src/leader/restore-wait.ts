import {
  type Clock,
  type ControlStore,
  type KeyValue,
  LEASE_DRIFT,
  type Logger,
  modifiedIs,
  type Timer,
  termIs,
} from "@atlasnet/core";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import { fenceMs, RESTORE_FENCE } from "../store/restore-fence.ts";
import type { Reign } from "./leadership.ts";
import { PrefixFollower } from "./prefix-follower.ts";

export interface RestoreWaitDependencies {
  readonly store: Pick<ReplicatedStore, "range" | "watch"> & Pick<ControlStore, "txn">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For timers and scheduling that are not exact. */
const MARGIN_MS = 10;
const RETRY_MS = 500;

/**
 * Takes the fence away that a restore puts up, once every lease of before has run out: one longest lease after
 * this leader has seen the restore, or was elected if that was later.
 */
export class RestoreWait {
  private readonly dependencies: RestoreWaitDependencies;
  private readonly follower: PrefixFollower;
  private reign: Reign | undefined;
  /** `modified` of the fence that is waited for. */
  private waitsFor: number | undefined;
  private timer: Timer | undefined;

  constructor(dependencies: RestoreWaitDependencies) {
    this.dependencies = dependencies;
    this.follower = new PrefixFollower(
      RESTORE_FENCE,
      {
        replaced: ({ items }) => this.look(items[0]),
        changed: (changes) => {
          const last = changes.at(-1);
          this.look(last?.type === "put" ? last.item : undefined);
        },
      },
      dependencies,
    );
  }

  /** Nobody may claim a shard yet. */
  get isWaiting(): boolean {
    return this.waitsFor !== undefined;
  }

  lead(reign: Reign): void {
    this.follow();
    this.reign = reign;
    this.follower.start();
  }

  follow(): void {
    this.reign = undefined;
    this.follower.stop();
    this.end();
  }

  private end(): void {
    this.waitsFor = undefined;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private look(fence: KeyValue | undefined): void {
    const { reign } = this;
    if (fence?.modified === this.waitsFor) return;
    this.end();
    if (fence === undefined || reign === undefined) return;
    const { clock, logger } = this.dependencies;
    const leaseMs = fenceMs(fence);
    this.waitsFor = fence.modified;
    logger.info(
      "The control state was restored from a backup: nobody gets a shard until all leases of before have run out.",
      { leaseMs },
    );
    const until = clock.now() + leaseMs * (1 + LEASE_DRIFT) + MARGIN_MS;
    this.wait(until, fence.modified, reign);
  }

  /** Timers may come early. */
  private wait(until: number, modified: number, reign: Reign): void {
    const { clock } = this.dependencies;
    this.timer = clock.setTimer(Math.max(1, until - clock.now()), () => {
      if (clock.now() < until) this.wait(until, modified, reign);
      else this.remove(modified, reign);
    });
  }

  private remove(modified: number, reign: Reign): void {
    const { store, clock, logger } = this.dependencies;
    const again = () => {
      if (this.reign !== reign || this.waitsFor !== modified) return;
      this.timer = clock.setTimer(RETRY_MS, () => this.remove(modified, reign));
    };
    store
      .txn({
        compare: [termIs(reign.term), modifiedIs(RESTORE_FENCE, modified)],
        then: [{ type: "delete", key: RESTORE_FENCE }],
      })
      .then(
        // The watch tells that it is gone.
        ({ succeeded }) => {
          if (succeeded) logger.info("Shards may be taken again after the restore.");
          else again();
        },
        (error: unknown) => {
          logger.warn("The wait after a restore could not be ended; it is tried again.", { error });
          again();
        },
      );
  }
}
