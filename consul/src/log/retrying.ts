import type { Clock } from "@atlasnet/core";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

/** Resolves after `ms`, or as soon as the signal is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.setTimer(ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Pauses that grow while something fails. */
export class Pauses {
  private ms = FIRST_PAUSE_MS;

  next(): number {
    const { ms } = this;
    this.ms = Math.min(LONGEST_PAUSE_MS, ms * 2);
    return ms;
  }

  reset(): void {
    this.ms = FIRST_PAUSE_MS;
  }
}
