import { type Clock, MAX_TIMER_MS, type Timer } from "@atlasnet/core";

/** Calls once, at the time that was set last. */
export class Alarm {
  private readonly clock: Clock;
  private readonly ring: () => void;
  private timer: Timer | undefined;
  private at = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, ring: () => void) {
    this.clock = clock;
    this.ring = ring;
  }

  /** In ms on the clock; Infinity: not at all. */
  set(at: number): void {
    if (at === this.at) return;
    this.timer?.cancel();
    this.timer = undefined;
    this.at = at;
    if (at === Number.POSITIVE_INFINITY) return;
    // A timer may ring up to a millisecond early: what comes of it is looked at by the clock.
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(at - this.clock.now())));
    this.timer = this.clock.setTimer(ms, () => {
      this.timer = undefined;
      this.at = Number.POSITIVE_INFINITY;
      this.ring();
    });
  }
}
