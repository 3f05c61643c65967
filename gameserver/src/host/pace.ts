/** A tick this close is made at once: timers come up to a millisecond early. */
export const EARLY_MS = 0.5;
/** Ticks that may be made up at once after a hiccup; a longer delay is given up. */
const MAX_CATCH_UP_TICKS = 2;
/** Weight of the newest tick in the measured rate. */
const SMOOTHING = 0.1;
/** Below this rate clients are told. */
const DILATED = 0.95;
/** Change of the rate worth telling. */
const STEP_PER_MILLE = 50;

/**
 * When ticks are due. A shard that cannot keep up does not pile up ticks: its time runs slower, and
 * `dilation` says how much.
 */
export class Pace {
  readonly intervalMs: number;
  /** When tick `baseTick` was, or would have been, made. */
  private baseAt: number;
  private baseTick: number;
  private rate = 1;
  private lastAt: number;
  private told = 1000;

  constructor(tickRate: number, tick: number, now: number) {
    this.intervalMs = 1000 / tickRate;
    this.baseAt = now;
    this.baseTick = tick;
    this.lastAt = now;
  }

  /** When a tick is due. */
  dueAt(tick: number): number {
    return this.baseAt + (tick - this.baseTick) * this.intervalMs;
  }

  /** The tick of this moment, for a shard that was idle; at least `atLeast`. */
  tickAt(now: number, atLeast: number): number {
    const past = (now + EARLY_MS - this.baseAt) / this.intervalMs;
    return Math.max(atLeast, this.baseTick + Math.floor(past));
  }

  /** Notes that a tick was made; what is too late by now is given up. */
  made(tick: number, startedAt: number, now: number): void {
    const took = Math.max(this.intervalMs, startedAt - this.lastAt);
    this.lastAt = startedAt;
    this.rate += SMOOTHING * (Math.min(1, this.intervalMs / took) - this.rate);
    const late = now - this.dueAt(tick + 1);
    if (late > MAX_CATCH_UP_TICKS * this.intervalMs) {
      this.baseTick = tick + 1;
      this.baseAt = now;
    }
  }

  /** The shard was idle: the gap since its last tick was no overload. */
  rest(now: number): void {
    this.lastAt = now - this.intervalMs;
  }

  /** A tick that was due later is made now. Those after it follow at the same distance. */
  hasten(tick: number, now: number): void {
    this.stoodStill(Math.min(0, now - this.dueAt(tick)));
  }

  /** So much time, in ms, does not count: the shard was not to tick. */
  stoodStill(ms: number): void {
    this.baseAt += ms;
    this.lastAt += ms;
  }

  /** Speed of world time per mille, 1000 when it keeps up. */
  get perMille(): number {
    return this.rate >= DILATED ? 1000 : Math.max(1, Math.round(this.rate * 1000));
  }

  /** The speed when clients should hear of it, else 0. */
  news(): number {
    const now = this.perMille;
    if (Math.abs(now - this.told) < STEP_PER_MILLE && (now === 1000) === (this.told === 1000))
      return 0;
    this.told = now;
    return now;
  }

  /** The speed to tell somebody new: 0 when there is nothing to tell. */
  get current(): number {
    return this.told === 1000 ? 0 : this.told;
  }
}
