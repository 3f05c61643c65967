import type { Clock } from "../../ports/clock.ts";
import type { PseudoRandom } from "../../ports/random.ts";

/** Resolves after `ms`, or as soon as the signal says that nobody waits any more. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.setTimer(ms, end);
    signal.addEventListener("abort", end);
  });
}

export interface PausesOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Pauses between tries: each twice as long as the one before up to the longest, and a little by chance. */
export class Pauses {
  private readonly options: PausesOptions;
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly signal: AbortSignal;
  private next: number;

  constructor(
    options: PausesOptions,
    dependencies: {
      readonly clock: Clock;
      readonly random: PseudoRandom;
      readonly signal: AbortSignal;
    },
  ) {
    this.options = options;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.signal = dependencies.signal;
    this.next = options.minMs;
  }

  /** It worked: the next pause is the shortest. */
  reset(): void {
    this.next = this.options.minMs;
  }

  wait(): Promise<void> {
    const ms = this.next * (0.5 + this.random.float() / 2);
    this.next = Math.min(this.next * 2, this.options.maxMs);
    return pause(this.clock, ms, this.signal);
  }
}
