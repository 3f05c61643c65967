/** Longest timer: 2^31 − 1 ms, about 24.8 days. */
export const MAX_TIMER_MS = 2_147_483_647;

/** A pending call of a timer; `cancel` after it fired, or twice, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The time port. Real in `@atlasnet/core/node`, simulated in `@atlasnet/core/sim`. */
export interface Clock {
  /** Milliseconds since some moment, with fractions; never goes back. For durations and deadlines. */
  now(): number;
  /** Milliseconds since 1970; may jump. For tickets, file names and people only. */
  wallTime(): number;
  /**
   * Calls `fn` once after `ms` milliseconds, never from within `setTimer`, also for 0. It may come
   * late, and up to a millisecond early: what depends on a deadline looks at `now()`.
   * @throws RangeError unless 0 ≤ ms ≤ MAX_TIMER_MS.
   */
  setTimer(ms: number, fn: () => void): Timer;
}

/** @throws RangeError for what no adapter can keep. */
export function checkTimer(ms: number): void {
  if (!(ms >= 0 && ms <= MAX_TIMER_MS))
    throw new RangeError(`a timer takes 0 to ${MAX_TIMER_MS} ms, not ${ms}`);
}
