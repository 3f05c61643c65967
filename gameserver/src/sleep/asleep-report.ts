import { type AsleepSlice, MAX_ASLEEP_NAMES } from "@atlasnet/core";

export interface AsleepReportDependencies {
  /** All that sleep now, in any order. */
  names(): Iterable<string>;
  isAsleep(shard: string): boolean;
}

/**
 * Tells which shards sleep, MAX_ASLEEP_NAMES at a time, in the order of their names, and after the last ones from the
 * first again. Names are put in order once a round, as ten thousand of them take milliseconds: a shard that fell asleep
 * since then is told in the next round; one that woke is not told from then on.
 */
export class AsleepReport {
  private readonly dependencies: AsleepReportDependencies;
  private round: readonly string[] = [];
  private told = 0;

  constructor(dependencies: AsleepReportDependencies) {
    this.dependencies = dependencies;
  }

  /** Undefined: none sleeps. */
  next(): AsleepSlice | undefined {
    const { names, isAsleep } = this.dependencies;
    if (this.told >= this.round.length) {
      this.round = [...names()].sort();
      this.told = 0;
    }
    if (this.round.length === 0) return undefined;
    const part = this.round.slice(this.told, this.told + MAX_ASLEEP_NAMES);
    const after = this.round[this.told - 1];
    this.told += part.length;
    const through = this.told < this.round.length ? part.at(-1) : undefined;
    return {
      ...(after === undefined ? {} : { after }),
      ...(through === undefined ? {} : { through }),
      shards: part.filter((shard) => isAsleep(shard)),
    };
  }
}
