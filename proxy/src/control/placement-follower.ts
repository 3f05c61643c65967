import {
  type Clock,
  type ControlStore,
  type ControlWatch,
  type Logger,
  ownerKey,
  type PseudoRandom,
  type ReadAll,
  type Revision,
  readAll,
  type Timer,
} from "@atlasnet/core";
import type { Meter } from "@opentelemetry/api";
import {
  WATCHED_PREFIXES,
  type WatchedPlacements,
  type WatchedPrefix,
} from "../routing/watched-placements.ts";

/** Records that are taken in without a pause: players are not to wait for a reading of 100,000 shards. */
const SLICE = 1_000;

/** A reading that failed is tried again after this, doubled with every failure… */
const RETRY_MIN_MS = 250;
/** …up to this; each pause is shortened at random by up to half. */
const RETRY_MAX_MS = 5_000;

/**
 * What a gameserver says of itself (`placed`) is usually confirmed by the watch within some 10 ms. What is not, after
 * this, is looked up, and again after as long while the control plane does not answer or the watch is behind.
 */
const CLAIM_MS = 2_000;

export interface PlacementFollowerDependencies {
  readonly store: Pick<ControlStore, "range" | "watch">;
  /** Is told everything. */
  readonly placements: WatchedPlacements;
  readonly clock: Clock;
  readonly random: Pick<PseudoRandom, "float">;
  readonly logger: Logger;
}

/**
 * Keeps placements as the control store has them: reads each prefix as a whole, watches it from there, and reads
 * anew when the watch has a gap. What was known stays until then.
 */
export class PlacementFollower {
  private readonly dependencies: PlacementFollowerDependencies;
  private readonly prefixes: readonly PrefixFollower[];
  private claimTimer: Timer | undefined;
  private unwatch: (() => void) | undefined;
  private isStopped = false;

  constructor(dependencies: PlacementFollowerDependencies) {
    this.dependencies = dependencies;
    this.prefixes = WATCHED_PREFIXES.map((prefix) => new PrefixFollower(prefix, dependencies));
  }

  /** Readings of whole prefixes that were finished; the first ones count, too. */
  get readings(): number {
    return this.prefixes.reduce((sum, { readings }) => sum + readings, 0);
  }

  /** Why something cannot be read right now; undefined while nothing is known to be wrong. */
  get problem(): string | undefined {
    return this.prefixes.find(({ problem }) => problem !== undefined)?.problem;
  }

  start(): void {
    for (const prefix of this.prefixes) prefix.start();
    this.unwatch ??= this.dependencies.placements.watch(() => this.lookForClaims());
  }

  /** Idempotent. */
  stop(): void {
    this.isStopped = true;
    this.claimTimer?.cancel();
    this.unwatch?.();
    for (const prefix of this.prefixes) prefix.stop();
  }

  private lookForClaims(): void {
    const { clock, logger, placements } = this.dependencies;
    if (this.isStopped || this.claimTimer !== undefined || placements.claims.length === 0) return;
    this.claimTimer = clock.setTimer(CLAIM_MS, () => {
      this.checkClaims()
        // Without an answer nothing is disproved: it is asked again.
        .catch((error: unknown) =>
          logger.debug("what gameservers say that they own could not be looked up", { error }),
        )
        .finally(() => {
          this.claimTimer = undefined;
          this.lookForClaims();
        });
    });
  }

  /** Any reading tells which revision there is. @throws ControlError */
  private async checkClaims(): Promise<void> {
    const { store, placements, logger } = this.dependencies;
    const { claims } = placements;
    const [first] = claims;
    if (first === undefined) return;
    const { revision } = await store.range({ key: ownerKey(first.shard) });
    for (const node of placements.disprove(claims, revision))
      logger.error("a gameserver said that it owns a world at an epoch that does not exist", {
        peer: node,
        hint: "It is not believed, and linked to anew. Restart it if it says so again.",
      });
  }

  observe(meter: Meter): void {
    const { placements } = this.dependencies;
    meter
      .createObservableGauge("atlasnet_proxy_placements", {
        description: "Shards with an owner, as this proxy knows",
      })
      .addCallback((result) => result.observe(placements.ownedCount));
    meter
      .createObservableCounter("atlasnet_proxy_placement_readings_total", {
        description: "Times a part of the placements was read as a whole",
      })
      .addCallback((result) => result.observe(this.readings));
    meter
      .createObservableCounter("atlasnet_proxy_unreadable_records_total", {
        description: "Records about placements that could not be read",
      })
      .addCallback((result) => result.observe(placements.unreadableCount));
  }
}

class PrefixFollower {
  readings = 0;
  problem: string | undefined;
  private readonly prefix: WatchedPrefix;
  private readonly dependencies: PlacementFollowerDependencies;
  private state: "new" | "running" | "stopped" = "new";
  private watch: ControlWatch | undefined;
  private timer: Timer | undefined;
  private failures = 0;

  constructor(prefix: WatchedPrefix, dependencies: PlacementFollowerDependencies) {
    this.prefix = prefix;
    this.dependencies = dependencies;
  }

  start(): void {
    if (this.state !== "new") return;
    this.state = "running";
    this.read();
  }

  stop(): void {
    this.state = "stopped";
    this.timer?.cancel();
    this.watch?.close();
  }

  private read(): void {
    readAll(this.dependencies.store, this.prefix).then(
      (reading) => this.take(reading, 0),
      (error: unknown) => this.failed(error),
    );
  }

  /** Slice by slice; the end of the reading, which says what is gone, finds them all known. */
  private take(reading: ReadAll, from: number): void {
    if (this.state !== "running") return;
    const { placements, clock } = this.dependencies;
    const { revision, items } = reading;
    if (items.length - from > SLICE) {
      const puts = items.slice(from, from + SLICE).map((item) => ({ type: "put" as const, item }));
      placements.changed(revision, puts);
      this.timer = clock.setTimer(0, () => this.take(reading, from + SLICE));
      return;
    }
    this.readings += 1;
    this.failures = 0;
    this.problem = undefined;
    placements.read(this.prefix, revision, items);
    this.follow(revision);
  }

  private follow(after: Revision): void {
    const { store, placements, logger } = this.dependencies;
    this.watch = store.watch(
      { prefix: this.prefix, after },
      {
        changed: ({ revision, changes }) => {
          placements.changed(revision, changes);
          placements.passed(this.prefix, revision);
        },
        compacted: () => {
          if (this.state !== "running") return;
          logger.info("the watch of placements has a gap; they are read anew", {
            prefix: this.prefix,
          });
          this.read();
        },
        failed: (error) => this.failed(error),
      },
    );
  }

  private failed(error: unknown): void {
    if (this.state !== "running") return;
    const { clock, random, logger } = this.dependencies;
    const problem = error instanceof Error ? error.message : String(error);
    // It is tried for as long as it takes: the same reason is said once.
    if (this.problem !== problem)
      logger.warn("placements cannot be read; players go where they were until they can", {
        prefix: this.prefix,
        error,
      });
    this.problem = problem;
    const longest = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    // Many proxies that lost the same apiserver do not come back in the same moment.
    this.timer = clock.setTimer(longest * (0.5 + random.float() / 2), () => this.read());
  }
}
