import type { Clock, Timer } from "@atlasnet/core";
import { Deadlines } from "./deadlines.ts";

/** Grain of the deadlines. */
const SLOT_MS = 2;

/** One whose work is put off to the end of a turn, and who has a clock. */
export interface Turning {
  flush(now: number): void;
  wake(now: number): void;
}

export interface TurnsDependencies<T> {
  clock: Clock;
  /** Called once at the end of each turn, before anybody is flushed. */
  turn: () => void;
  /** One failed in what it was called for; the others go on. */
  fault: (item: T, error: unknown) => void;
}

/**
 * When connections act by themselves: what one turn of the event loop has for them is gathered and
 * leaves at its end, and one timer serves the clocks of all.
 */
export class Turns<T extends Turning> {
  readonly deadlines: Deadlines<T>;
  private readonly dependencies: TurnsDependencies<T>;
  private waiting: T[] = [];
  private planned = false;
  private timer: { at: number; timer: Timer } | undefined;
  private stopped = false;

  constructor(dependencies: TurnsDependencies<T>) {
    this.dependencies = dependencies;
    this.deadlines = new Deadlines({ slotMs: SLOT_MS, now: dependencies.clock.now() });
  }

  /** It is flushed at the end of this turn. */
  add(item: T): void {
    this.waiting.push(item);
    this.plan();
  }

  /** To be called when a deadline was set. */
  plan(): void {
    if (this.planned) return;
    this.planned = true;
    setImmediate(() => this.end());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.timer.cancel();
  }

  private end(): void {
    this.planned = false;
    if (this.stopped) return;
    const { clock, turn, fault } = this.dependencies;
    const now = clock.now();
    turn();
    const { waiting } = this;
    this.waiting = [];
    for (const item of waiting) {
      try {
        item.flush(now);
      } catch (error) {
        fault(item, error);
      }
    }
    this.arm(now);
  }

  private arm(now: number): void {
    const at = this.deadlines.nextAt;
    if (at === Number.POSITIVE_INFINITY || (this.timer !== undefined && this.timer.at <= at))
      return;
    this.timer?.timer.cancel();
    const timer = this.dependencies.clock.setTimer(Math.max(0, at - now), () => this.wake());
    this.timer = { at, timer };
  }

  private wake(): void {
    this.timer = undefined;
    if (this.stopped) return;
    const { clock, fault } = this.dependencies;
    const now = clock.now();
    this.deadlines.advance(now, (item) => {
      try {
        item.wake(now);
      } catch (error) {
        fault(item, error);
      }
    });
    this.plan();
  }
}
