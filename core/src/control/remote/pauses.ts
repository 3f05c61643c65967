import type { Clock, Timer } from "../../ports/clock.ts";
import type { PseudoRandom } from "../../ports/random.ts";

/** Pauses before another try, which all end when there is a reason to try at once. */
export class Pauses {
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly running = new Map<() => void, Timer>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: PseudoRandom }) {
    this.clock = clock;
    this.random = random;
  }

  /** After `ms` or by chance earlier, down to half of it, so that what failed together does not come back together. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.running.get(end)?.cancel();
        this.running.delete(end);
        resolve();
      };
      this.running.set(end, this.clock.setTimer(ms * (0.5 + this.random.float() / 2), end));
    });
  }

  endAll(): void {
    for (const end of [...this.running.keys()]) end();
  }
}
