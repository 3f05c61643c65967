import type { Clock, Timer } from "@atlasnet/core";

/** A condition variable: waits until something holds that others bring about, and then signal. */
export class Condition {
  private readonly clock: Clock;
  private readonly waiting = new Set<() => void>();
  private closed = false;

  constructor({ clock }: { readonly clock: Clock }) {
    this.clock = clock;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** False when the time was over, or the condition closed, before it held. `waitMs` absent: there is no limit. */
  until(holds: () => boolean, waitMs?: number): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const look = () => {
        const held = holds();
        if (!held && !this.closed) return;
        end(held);
      };
      const end = (held: boolean) => {
        timer?.cancel();
        this.waiting.delete(look);
        resolve(held);
      };
      if (waitMs !== undefined) timer = this.clock.setTimer(waitMs, () => end(false));
      this.waiting.add(look);
      look();
    });
  }

  /** Something may hold now: everybody who waits looks again. */
  signal(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Nobody waits any longer, from now on. */
  close(): void {
    this.closed = true;
    this.signal();
  }
}
