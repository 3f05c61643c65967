import type { ToShard } from "@atlasnet/core";

/** The first tick of a shard that took over is held up by so much at most, in ms, and by half the time between two ticks. */
export const MAX_RETURN_MS = 25;
/** Who comes so long after the first tick was due did not come with the others: it waits for the next tick, as anybody. */
const LATE_MS = 250;

/**
 * The players of a shard that took over come back within a few ms, and most of the time before its first tick is
 * due. A tick a little later that all of them see is better than one in time and another one just behind it. But all of
 * them wait for it: so it is held up by little, and when the last ones have come behind it, the next one is made at once.
 */
export class Returning {
  private missing: number;
  private readonly heldUntil: number;
  private readonly lateUntil: number;

  /** `players`: how many are expected; `dueAt`: when the first tick is, on the clock. */
  constructor(players: number, { dueAt, intervalMs }: { dueAt: number; intervalMs: number }) {
    this.missing = players;
    this.heldUntil = dueAt + Math.min(MAX_RETURN_MS, intervalMs / 2);
    this.lateUntil = dueAt + LATE_MS;
  }

  get areAllBack(): boolean {
    return this.missing <= 0;
  }

  /** What came from a proxy. True when with it everybody is there. */
  saw(messages: readonly ToShard[]): boolean {
    for (const { type } of messages) if (type === "attach") this.missing -= 1;
    return this.areAllBack;
  }

  /** When the first tick is to be made, if it is due at `at`. */
  heldUp(at: number): number {
    return this.areAllBack ? at : Math.max(at, this.heldUntil);
  }

  /** Nobody is worth an early tick any more. */
  isOver(now: number): boolean {
    return this.areAllBack || now > this.lateUntil;
  }
}
