import { type Clock, MAX_TIMER_MS, type Timer } from "@atlasnet/core";
import type { TickTock } from "./liferaft.ts";

/** The Clock port over LifeRaft's timers: they all end with the node. The time itself is another clock's. */
export class LifeRaftClock implements Clock {
  private readonly timers: () => TickTock | null;
  private readonly clock: Clock;
  private next = 1;

  constructor(timers: () => TickTock | null, clock: Clock) {
    this.timers = timers;
    this.clock = clock;
  }

  now(): number {
    return this.clock.now();
  }

  wallTime(): number {
    return this.clock.wallTime();
  }

  setTimer(ms: number, fn: () => void): Timer {
    if (!(ms >= 0 && ms <= MAX_TIMER_MS))
      throw new RangeError(`a timer takes 0 to ${MAX_TIMER_MS} ms, not ${ms}`);
    const timers = this.timers();
    if (timers === null) return { cancel: () => {} };
    // A name of its own: the package would add to the timer that has the name already.
    const name = `atlasnet-${this.next++}`;
    timers.setTimeout(name, fn, ms);
    return { cancel: () => this.timers()?.clear(name) };
  }
}
