import type { Clock, Timer } from "@atlasnet/core";
import type { SimClock } from "@atlasnet/core/sim";

/**
 * A timer that is not for at once takes this long at least, by true time. Who is called a rounding error early, by a clock of
 * another rate, and waits for the rest, would never see time pass otherwise.
 */
const SHORTEST_TIMER_MS = 0.001;

/** A machine's clocks: they run at a rate of their own, stop while it sleeps, and somebody may set the time of day. */
export class Machine {
  readonly rate: number;
  private readonly sim: SimClock;
  private readonly start: number;
  private asleep = 0;
  private set = 0;

  constructor({ rate, start }: { rate: number; start: number }, { sim }: { sim: SimClock }) {
    this.rate = rate;
    this.start = start;
    this.sim = sim;
  }

  now(): number {
    return this.start + (this.sim.now() - this.asleep) * this.rate;
  }

  wallTime(): number {
    return this.sim.wallTime() + this.set;
  }

  slept(ms: number): void {
    this.asleep += ms;
  }

  setTime(byMs: number): void {
    this.set += byMs;
  }
}

/** One life of a process on a machine. What happens while it stands still waits; what comes after its end never happens. */
export class SimProcess implements Clock {
  readonly machine: Machine;
  private readonly sim: SimClock;
  private waiting: (() => void)[] | undefined;
  private ended = false;
  private goOn: () => void = () => {};

  constructor(machine: Machine, { sim }: { sim: SimClock }) {
    this.machine = machine;
    this.sim = sim;
  }

  get isAlive(): boolean {
    return !this.ended;
  }

  get isPaused(): boolean {
    return this.waiting !== undefined;
  }

  now(): number {
    return this.machine.now();
  }

  wallTime(): number {
    return this.machine.wallTime();
  }

  setTimer(ms: number, fn: () => void): Timer {
    if (this.ended) return { cancel: () => {} };
    let cancelled = false;
    const trueMs = ms > 0 ? Math.max(SHORTEST_TIMER_MS, ms / this.machine.rate) : ms;
    const timer = this.sim.setTimer(trueMs, () =>
      this.run(() => {
        if (!cancelled) fn();
      }),
    );
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  run(fn: () => void): void {
    if (this.ended) return;
    if (this.waiting) this.waiting.push(fn);
    else fn();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.setTimer(ms, resolve);
    });
  }

  /** `first` runs before everything that waited: a timer that was due may be the first to go on. */
  pause(ms: number, isSleep: boolean, first: () => void = () => {}): void {
    if (this.ended || this.waiting) return;
    this.waiting = [];
    const begun = this.sim.now();
    const timer = this.sim.setTimer(ms, () => this.goOn());
    this.goOn = () => {
      timer.cancel();
      this.goOn = () => {};
      if (isSleep) this.machine.slept(this.sim.now() - begun);
      const waiting = this.waiting ?? [];
      this.waiting = undefined;
      if (this.ended) return;
      first();
      for (const fn of waiting) this.run(fn);
    };
  }

  /** Ends a pause before its time. */
  resume(): void {
    this.goOn();
  }

  kill(): void {
    this.ended = true;
    this.waiting = undefined;
  }
}
