import type { Shard, TickResult, TickWatch } from "@atlasnet/gameserver/sim";
import type { Checker } from "./checker.ts";

/** A tick that a shard made. */
export interface MadeTick {
  readonly shard: Shard;
  readonly result: TickResult;
  /** The whole state before it, if a checker asked for that. */
  readonly before: Uint8Array | undefined;
  /** An empty shard of the same module. */
  another(): Shard;
}

export interface TickChecker extends Checker {
  /** Whether it needs the state before the tick that comes now. */
  needsState?(shard: Shard): boolean;
  ticked(tick: MadeTick): void;
}

/** May break rules between a shard and its checkers. */
export interface Spoil {
  /** Before the first tick that a shard makes where it is. */
  opened(shard: Shard): void;
  ticked(shard: Shard): void;
}

/** Shows checkers every tick of every shard that acts. */
export class WatchedTicks implements TickWatch {
  private readonly checkers: readonly TickChecker[];
  private readonly spoil: Spoil;
  private readonly known = new WeakSet<Shard>();

  constructor(checkers: readonly TickChecker[], spoil: Spoil) {
    this.checkers = checkers;
    this.spoil = spoil;
  }

  tick(shard: Shard, run: () => TickResult, another: () => Shard): TickResult {
    if (!this.known.has(shard)) this.spoil.opened(shard);
    this.known.add(shard);
    const isNeeded = this.checkers.some((checker) => checker.needsState?.(shard) === true);
    const before = isNeeded ? shard.snapshot() : undefined;
    const result = run();
    this.spoil.ticked(shard);
    for (const checker of this.checkers) checker.ticked({ shard, result, before, another });
    return result;
  }
}
