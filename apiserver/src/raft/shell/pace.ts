import type { Clock } from "@atlasnet/core";

/** Pauses shorter than this are saved up: a timer is no finer. */
const LEAST_PAUSE_MS = 5;

/** Lets other work of this thread go on. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
}

/** Slows a stream of bytes down to a rate, on average. */
export class Pace {
  private readonly bytesPerMs: number;
  private readonly clock: Clock;
  private ahead: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerMs = bytesPerSecond / 1000;
    this.clock = clock;
    this.ahead = clock.now();
  }

  async took(bytes: number): Promise<void> {
    const now = this.clock.now();
    this.ahead = Math.max(this.ahead, now) + bytes / this.bytesPerMs;
    if (this.ahead - now >= LEAST_PAUSE_MS) await pause(this.clock, this.ahead - now);
  }
}
