import type { Logger } from "@atlasnet/core";
import type { Counter, Meter } from "@opentelemetry/api";
import type { MirrorOutcome } from "./follower-types.ts";

export interface MirrorWatchDependencies {
  readonly meter: Meter;
  readonly logger: Logger;
}

/** What is told of mirrors: lines of the log, and figures. */
export class MirrorWatch {
  private readonly logger: Logger;
  private readonly begun: Counter;
  private readonly lost: Counter;
  private readonly promotions: Counter;
  private readonly withdrawals: Counter;

  constructor({ meter, logger }: MirrorWatchDependencies) {
    this.logger = logger;
    this.begun = meter.createCounter("atlasnet_mirrors_in_sync_total", {
      description: "Mirrors of this node's worlds that came to be in sync",
    });
    this.lost = meter.createCounter("atlasnet_mirrors_lost_total", {
      description: "Mirrors of this node's worlds that did not answer in time, or were given up",
    });
    this.promotions = meter.createCounter("atlasnet_mirror_promotions_total", {
      description:
        "Worlds that this node has mirrored and taken over, by whether it had them still",
    });
    this.withdrawals = meter.createCounter("atlasnet_mirror_withdrawals_total", {
      description:
        "Mirrors that this node gave up by itself: it had lost the copy, was stopping, or the owner was lost before it was in sync",
    });
  }

  // As the owner

  inSync(shard: string, node: string): void {
    this.begun.add(1);
    this.logger.info("A world's mirror is in sync: what it lets out waits for the mirror.", {
      ...{ shard, mirror: node },
    });
  }

  mirrorLost(shard: string, node: string, reason: string): void {
    this.lost.add(1);
    this.logger.warn(
      "A world has lost its mirror, and goes on without one until another is in sync.",
      {
        ...{ shard, mirror: node, reason },
      },
    );
  }

  // As the mirror

  notFollowed(shard: string, problem: string): void {
    this.logger.warn("A world cannot be mirrored here; it is tried again.", { shard, problem });
  }

  suspected(shard: string, owner: string, reason: string): void {
    this.logger.warn(
      "The owner of a world that is mirrored here is suspected: this node takes it over.",
      {
        ...{ shard, owner, reason },
      },
    );
  }

  withdraws(shard: string, owner: string, reason: string): void {
    this.withdrawals.add(1);
    this.logger.warn(
      "A world's mirror here is withdrawn: its owner goes on without one; if that is gone, it begins from what was saved.",
      { shard, owner, reason },
    );
  }

  over(
    shard: string,
    owner: string,
    { outcome, problem }: { readonly outcome: MirrorOutcome; readonly problem: string },
  ): void {
    const facts = { shard, owner };
    if (outcome !== "promoted")
      return this.logger.info("A world is mirrored here no more.", { ...facts, problem });
    this.promotions.add(1, { replica: problem === "" ? "kept" : "lost" });
    if (problem === "") return this.logger.info("A mirrored world runs here now.", facts);
    this.logger.error(
      "A mirrored world is this node's, and is opened again, for its replica is gone.",
      {
        ...{ ...facts, problem },
      },
    );
  }

  /** A fault of this process's own. */
  broken(error: unknown): void {
    this.logger.error("A fault of the gameserver's own.", { error });
  }
}
