import { type Clock, MAX_TIMER_MS, type Timer } from "@atlasnet/core";

/**
 * Calls once, at the time that was set last, or a little later. One that is put off keeps its timer, which finds out
 * when it is due: most are put off with every tick, and never ring.
 */
export class Alarm {
  private readonly clock: Clock;
  private readonly ring: () => void;
  private timer: Timer | undefined;
  private at = Number.POSITIVE_INFINITY;
  /** When the timer is due. */
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, ring: () => void) {
    this.clock = clock;
    this.ring = ring;
  }

  /** In ms on the clock; Infinity: not at all. */
  set(at: number): void {
    if (at === this.at) return;
    this.at = at;
    if (at >= this.timerAt && at !== Number.POSITIVE_INFINITY) return;
    this.timer?.cancel();
    this.wait();
  }

  private wait(): void {
    const { at, clock } = this;
    this.timer = undefined;
    this.timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(at - clock.now())));
    this.timer = clock.setTimer(ms, () => this.look());
  }

  private look(): void {
    // It was put off, or the timer is a little early.
    if (this.clock.now() < this.at) return this.wait();
    this.timer = undefined;
    this.at = this.timerAt = Number.POSITIVE_INFINITY;
    this.ring();
  }
}
