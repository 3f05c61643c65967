const INITIAL_MS = 250;
const CAP_MS = 5_000;
/** A connection that lasted this long was a good one: the next failure starts from the beginning. */
const STABLE_MS = 5_000;

/** How long to wait before the next attempt to connect: exponential, with jitter. */
export class Backoff {
  private failures = 0;
  private readonly random: () => number;

  /** `random` gives numbers from 0 up to, not including, 1. */
  constructor(random: () => number) {
    this.random = random;
  }

  /** Milliseconds to wait after a failure. Half of it is chance, so that clients do not come all at once. */
  next(): number {
    const full = Math.min(CAP_MS, INITIAL_MS * 2 ** Math.min(this.failures, 16));
    this.failures += 1;
    return full * (0.5 + this.random() / 2);
  }

  /** A connection ended that had lasted this long since its welcome. True when it was a good one. */
  ended(lastedMs: number): boolean {
    const stable = lastedMs >= STABLE_MS;
    if (stable) this.failures = 0;
    return stable;
  }
}
