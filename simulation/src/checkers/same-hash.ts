import type { Violations } from "@atlasnet/apiserver/sim";
import { describeError } from "@atlasnet/core";
import type { Shard } from "@atlasnet/gameserver/sim";
import type { MadeTick, TickChecker } from "./ticks.ts";

const EVERY_TICKS = 20;

interface Follower {
  readonly shard: Shard;
  readonly of: Shard;
}

/**
 * Rule 3.3: same state, same inputs, same hash. Follows every shard that acts from its first tick here by a snapshot
 * and the delta of each tick, as a replica and a journal do, and compares hashes.
 */
export class SameHash implements TickChecker {
  readonly rule = "3.3 who follows has the same hash";
  looked = 0;
  private readonly violations: Violations;
  private readonly followers = new Map<string, Follower>();

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  needsState(shard: Shard): boolean {
    return this.followers.get(keyOf(shard))?.of !== shard;
  }

  /** What the deltas of a shard at an epoch tell up to now. */
  followerOf(shard: string, epoch: number): Shard | undefined {
    return this.followers.get(`${shard} ${epoch}`)?.shard;
  }

  ticked({ shard, result, before, another }: MadeTick): void {
    const key = keyOf(shard);
    const where = `${shard.options.shard} at epoch ${shard.options.epoch}, tick ${result.tick}`;
    try {
      if (before !== undefined && this.needsState(shard)) {
        const follower = another();
        const loading = follower.beginLoad();
        loading.take(before);
        loading.finish();
        this.followers.set(key, { shard: follower, of: shard });
      }
      const follower = this.followers.get(key);
      if (follower === undefined) return;
      follower.shard.follow(result.tick, result.delta);
      if (result.tick % EVERY_TICKS !== 0) return;
      this.looked += 1;
      if (follower.shard.hash() !== shard.hash())
        this.violations.add(this.rule, `${where}: another hash by snapshot and deltas`);
    } catch (error) {
      this.violations.add(this.rule, `${where} cannot be followed: ${describeError(error)}`);
    }
  }
}

function keyOf({ options }: Shard): string {
  return `${options.shard} ${options.epoch}`;
}
