import type { Clock, Timer } from "@atlasnet/core";

/**
 * One deadline that moves with every packet, mostly later. A timer that is due sooner is left as it is: when it
 * fires, whoever listens looks whether anything is due and sets the next one.
 */
export class LazyTimer {
  private readonly clock: Clock;
  private readonly fired: () => void;
  private timer: Timer | undefined;
  private at = 0;

  constructor(options: { readonly fired: () => void }, dependencies: { readonly clock: Clock }) {
    this.fired = options.fired;
    this.clock = dependencies.clock;
  }

  /** Fires in `ms` or sooner. */
  within(ms: number): void {
    const at = this.clock.now() + ms;
    if (this.timer !== undefined && this.at <= at) return;
    this.timer?.cancel();
    this.at = at;
    this.timer = this.clock.setTimer(ms, this.fire);
  }

  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private readonly fire = (): void => {
    this.timer = undefined;
    this.fired();
  };
}
