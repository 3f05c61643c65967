import { type Clock, MAX_TIMER_MS, type Timer } from "@atlasnet/core";
import type { TickTock } from "./liferaft.ts";

/**
 * The Clock port over LifeRaft's timers: they all end with the node. The time itself is another clock's.
 * Whoever waits for one when the node ends goes on at once, and sees that it has: a loop that would wait for
 * ever could not be stopped.
 */
export class LifeRaftClock implements Clock {
  private readonly timers: () => TickTock | null;
  private readonly clock: Clock;
  private readonly waiting = new Map<string, () => void>();
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
    // A name of its own: the package would add to the timer that has the name already.
    const name = `atlasnet-${this.next++}`;
    this.waiting.set(name, fn);
    const timers = this.timers();
    if (timers === null) queueMicrotask(() => this.fire(name));
    else timers.setTimeout(name, () => this.fire(name), ms);
    return {
      cancel: () => {
        this.waiting.delete(name);
        this.timers()?.clear(name);
      },
    };
  }

  /** The package has ended its timers, or is about to. */
  end(): void {
    for (const name of [...this.waiting.keys()]) this.fire(name);
  }

  private fire(name: string): void {
    const fn = this.waiting.get(name);
    this.waiting.delete(name);
    fn?.();
  }
}
