import type { Clock, Timer } from "@atlasnet/core";
import { EARLY_MS } from "./pace.ts";

/** Something that ticks: a shard on this thread. */
export interface Ticking {
  /** When its next tick is due, on the clock; Infinity while there is nothing to do. */
  readonly nextAt: number;
  /** Makes the tick that is due. */
  run(now: number): void;
}

/** Ticks of one turn before timers and messages of the thread get theirs. */
const MAX_TICKS_PER_TURN = 64;
const MAX_SLEEP_MS = 60_000;

/**
 * Runs many worlds on one thread, whichever is due first. Idle ones are not in its list and cost
 * nothing.
 */
export class TickLoop {
  private readonly clock: Clock;
  private readonly active = new Set<Ticking>();
  private timer: Timer | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private running = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Looks at a shard's `nextAt` again: it has work, or has none any more. */
  wake(ticking: Ticking): void {
    if (ticking.nextAt === Number.POSITIVE_INFINITY) this.active.delete(ticking);
    else this.active.add(ticking);
    if (!this.running) this.arm();
  }

  remove(ticking: Ticking): void {
    this.active.delete(ticking);
  }

  private arm(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const ticking of this.active) next = Math.min(next, ticking.nextAt);
    if (next >= this.timerAt && this.timer !== undefined) return;
    this.timer?.cancel();
    this.timer = undefined;
    this.timerAt = next;
    if (next === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(MAX_SLEEP_MS, Math.max(0, next - this.clock.now()));
    this.timer = this.clock.setTimer(wait, () => this.turn());
  }

  private turn(): void {
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    this.running = true;
    let budget = MAX_TICKS_PER_TURN;
    const now = this.clock.now() + EARLY_MS;
    for (const ticking of this.active) {
      if (ticking.nextAt > now) continue;
      // Whoever had its turn goes to the end of the line.
      this.active.delete(ticking);
      ticking.run(this.clock.now());
      if (ticking.nextAt !== Number.POSITIVE_INFINITY) this.active.add(ticking);
      budget -= 1;
      if (budget === 0) break;
    }
    this.running = false;
    this.arm();
  }
}
