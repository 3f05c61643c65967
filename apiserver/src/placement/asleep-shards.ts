import type { AsleepSlice } from "@atlasnet/core";

/** Sleeping shards that are known of one node; more than these are shown as if they were awake. */
export const MAX_ASLEEP_KNOWN = 65_536;

/**
 * Which shards of a node sleep, put together from the parts that it tells with its renewals. Each part replaces what was
 * known of its range, so whatever was missed is right again after one round.
 */
export class AsleepShards {
  private readonly names = new Set<string>();

  has(shard: string): boolean {
    return this.names.has(shard);
  }

  learn({ after, through, shards }: AsleepSlice): void {
    for (const name of this.names)
      if ((after === undefined || name > after) && (through === undefined || name <= through))
        this.names.delete(name);
    for (const name of shards) if (this.names.size < MAX_ASLEEP_KNOWN) this.names.add(name);
  }

  clear(): void {
    this.names.clear();
  }
}
