import type { Clock, Timer } from "../ports/clock.ts";
import type { PseudoRandom } from "../ports/random.ts";

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

/** That long or shorter, down to half of it, so that what failed together does not come back together. */
function byChance(ms: number, random: PseudoRandom): number {
  return ms * (0.5 + random.float() / 2);
}

export interface PausesOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Pauses between the tries of one: each twice as long as the one before up to the longest, or by chance shorter. */
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
    const ms = byChance(this.next, this.random);
    this.next = Math.min(this.next * 2, this.options.maxMs);
    return pause(this.clock, ms, this.signal);
  }
}

/**
 * Pauses of many who wait for the same, of any length or by chance shorter. All that are under way end when
 * there is a reason to try at once.
 */
export class SharedPauses {
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly running = new Map<() => void, Timer>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: PseudoRandom }) {
    this.clock = clock;
    this.random = random;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.running.get(end)?.cancel();
        this.running.delete(end);
        resolve();
      };
      this.running.set(end, this.clock.setTimer(byChance(ms, this.random), end));
    });
  }

  endAll(): void {
    for (const end of [...this.running.keys()]) end();
  }
}
