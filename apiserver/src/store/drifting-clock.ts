import type { Clock, Timer } from "@atlasnet/core";
import type { SimClock } from "@atlasnet/core/sim";

/** A machine's clock in a simulation: it runs at a rate of its own, and stands still while it sleeps. */
export class DriftingClock implements Clock {
  private readonly sim: SimClock;
  private readonly rate: number;
  private readonly start: number;
  private asleep = 0;

  constructor({ rate, start }: { rate: number; start: number }, { sim }: { sim: SimClock }) {
    this.sim = sim;
    this.rate = rate;
    this.start = start;
  }

  now(): number {
    return this.start + (this.sim.now() - this.asleep) * this.rate;
  }

  /** Goes on while the machine sleeps. */
  wallTime(): number {
    return this.start + this.sim.now() * this.rate;
  }

  /** It slept for so long until now, and nobody asked it meanwhile. */
  slept(ms: number): void {
    this.asleep += ms;
  }

  setTimer(ms: number, fn: () => void): Timer {
    return this.sim.setTimer(ms / this.rate, fn);
  }
}
