import type { ToShard } from "@atlasnet/core";

/**
 * The first tick of a shard that took over is held up by so much at most, in ms, and by the time between two ticks: who
 * comes behind it has that to wait for the next one.
 */
export const MAX_RETURN_MS = 50;

/**
 * The players of a shard that took over come back within a few ms, and most of the time before its first tick is
 * due. A tick a little later that all of them see is better than one in time that shows nothing to who came just
 * behind it, as those would wait for a whole tick more.
 */
export class Returning {
  private missing: number;
  private readonly until: number;

  /** `players`: how many are expected; `dueAt`: when the first tick is, on the clock. */
  constructor(players: number, { dueAt, intervalMs }: { dueAt: number; intervalMs: number }) {
    this.missing = players;
    this.until = dueAt + Math.min(MAX_RETURN_MS, intervalMs);
  }

  /** What came from a proxy. True when with it everybody is there. */
  saw(messages: readonly ToShard[]): boolean {
    for (const { type } of messages) if (type === "attach") this.missing -= 1;
    return this.missing <= 0;
  }

  /** When a tick that is due at `at` is to be made. */
  heldUp(at: number): number {
    return this.missing <= 0 ? at : Math.max(at, this.until);
  }
}
