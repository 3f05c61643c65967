import type { Clock, Timer } from "../../ports/clock.ts";

/**
 * Asks an apiserver that was not heard for `beatMs` whether it is there: a link takes long to find out that its other
 * end is gone, longer than a lease may last. Who answers the question gives the link up when it is not answered.
 */
export class Beat {
  private readonly beatMs: number;
  private readonly clock: Clock;
  private readonly ask: () => Promise<unknown>;
  private heardAt: number;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    { beatMs }: { readonly beatMs: number },
    { clock, ask }: { readonly clock: Clock; readonly ask: () => Promise<unknown> },
  ) {
    this.beatMs = beatMs;
    this.clock = clock;
    this.ask = ask;
    this.heardAt = clock.now();
    this.later(beatMs);
  }

  heard(): void {
    this.heardAt = this.clock.now();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private later(ms: number): void {
    if (!this.stopped) this.timer = this.clock.setTimer(ms, () => void this.look());
  }

  private async look(): Promise<void> {
    const left = this.heardAt + this.beatMs - this.clock.now();
    if (left >= 1) return this.later(left);
    await this.ask();
    this.later(this.beatMs);
  }
}
