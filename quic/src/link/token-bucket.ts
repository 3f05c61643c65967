import type { Clock } from "@atlasnet/core";

/**
 * A rate: tokens come evenly with time, up to a number that may be taken at once. It starts full. What is
 * taken may be more than there is: then it is paid back before anything else is taken.
 */
export class TokenBucket {
  private readonly perMs: number;
  private readonly capacity: number;
  private readonly clock: Clock;
  private tokens: number;
  private at: number;

  constructor(
    options: { readonly perSecond: number; readonly capacity: number },
    { clock }: { clock: Clock },
  ) {
    this.perMs = options.perSecond / 1000;
    this.capacity = options.capacity;
    this.clock = clock;
    this.tokens = options.capacity;
    this.at = clock.now();
  }

  /** How many there are now; negative while what was taken in advance is paid back. */
  available(): number {
    const now = this.clock.now();
    this.tokens = Math.min(this.capacity, this.tokens + (now - this.at) * this.perMs);
    this.at = now;
    return this.tokens;
  }

  take(count: number): void {
    this.tokens -= count;
  }

  /** Milliseconds until there are `count`, 0 when they are there. */
  waitMs(count: number): number {
    return Math.max(0, (Math.min(count, this.capacity) - this.available()) / this.perMs);
  }
}
