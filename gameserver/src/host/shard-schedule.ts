import type { Clock, ToShard } from "@atlasnet/core";
import type { Shard } from "../shard/shard.ts";
import { skippedTicks, type WakingState } from "../sleep/slept-state.ts";
import { Pace } from "./pace.ts";
import { Returning } from "./returning.ts";

/** Of a shard: what it has to do, and when. */
export interface Scheduled extends Pick<Shard, "busy" | "nextDue"> {
  readonly store: Pick<Shard["store"], "tick" | "nextTimerDue">;
}

/** Of its module. */
export interface Rhythm {
  readonly tickRate: number;
  /** It ticks all the time; one that does not ticks when there is something to do. */
  readonly hasTick: boolean;
}

/**
 * When a shard's next tick is due, and which one it is. The time during which it stands still does not count; one
 * without anything to do goes on at the tick of the moment, not where it stopped.
 */
export class ShardSchedule {
  private readonly clock: Clock;
  private shard: Scheduled;
  private rhythm: Rhythm;
  private current: Pace;
  /** Who is expected back, if anybody is. */
  private returning: Returning | undefined;
  /** The first tick since `expect` was made. */
  private goesOn = false;
  /** Since when it stands still, on the clock: that time does not count. */
  private stillSince: number | undefined;
  /** Nothing was left to do after the last tick: the time until the next one is no delay. */
  private rested = false;
  /** It slept, and counts on from this tick. */
  private wokeAt = 0;

  constructor({ clock }: { readonly clock: Clock }, shard: Scheduled, rhythm: Rhythm) {
    this.clock = clock;
    this.shard = shard;
    this.rhythm = rhythm;
    this.current = this.newPace();
  }

  get pace(): Pace {
    return this.current;
  }

  /** Goes on with another shard, or a state that was restored. `dueAt`: of the next tick, on the clock. Default: a tick was just made. */
  begin(shard: Scheduled, rhythm: Rhythm, dueAt?: number): void {
    this.shard = shard;
    this.rhythm = rhythm;
    this.current = this.newPace(dueAt);
  }

  private newPace(dueAt?: number): Pace {
    const { tickRate } = this.rhythm;
    const tick = Math.max(this.shard.store.tick, this.wokeAt);
    const now = this.clock.now();
    if (this.stillSince !== undefined) this.stillSince = now;
    return new Pace(tickRate, tick, dueAt === undefined ? now : dueAt - 1000 / tickRate);
  }

  /** It slept: leaves out the ticks that went by meanwhile. Before `begin`. */
  wake(waking: WakingState): void {
    const { store } = this.shard;
    const nextTimer = store.nextTimerDue();
    const { tickRate } = this.rhythm;
    this.wokeAt = store.tick + skippedTicks(waking, { nextTimer, tickRate });
  }

  /**
   * So many players come back around the first tick, which is due at `dueAt`: it is held up for them, and when the last
   * ones come behind it, the next one is made at once.
   */
  expect(players: number, dueAt: number): void {
    this.returning = new Returning(players, { dueAt, intervalMs: 1000 / this.rhythm.tickRate });
    this.goesOn = false;
    // Nor does the world's time run slower for it.
    this.rested = true;
  }

  /** What came from a proxy: perhaps somebody who was expected. */
  saw(messages: readonly ToShard[]): void {
    if (!this.returning?.saw(messages)) return;
    this.returning = undefined;
    if (!this.goesOn || this.stillSince !== undefined) return;
    this.current.hasten(this.nextTick, this.clock.now());
  }

  /**
   * From here on it stands still, or goes on as if no time had passed. What a world at rest has not ticked before it
   * stood still is not forgotten: its timers would come late.
   */
  standStill(isStill: boolean): void {
    const { stillSince } = this;
    if (isStill === (stillSince !== undefined)) return;
    const now = this.clock.now();
    if (stillSince !== undefined) this.current.stoodStill(now - stillSince);
    this.stillSince = isStill ? now : undefined;
  }

  /** When the next tick is to be made, on the clock; Infinity while there is none. */
  due(): number {
    if (this.stillSince !== undefined) return Number.POSITIVE_INFINITY;
    const next = this.nextTick;
    if (this.shard.busy) {
      const at = this.current.dueAt(next);
      return this.goesOn ? at : (this.returning?.heldUp(at) ?? at);
    }
    const due = this.shard.nextDue();
    return due === Number.POSITIVE_INFINITY ? due : this.current.dueAt(Math.max(due, next));
  }

  private get nextTick(): number {
    return Math.max(this.shard.store.tick + 1, this.wokeAt);
  }

  /** The tick to be made at `startedAt`, when one was due at `nextAt`. */
  take(startedAt: number, nextAt: number): number {
    this.goesOn = true;
    if (this.returning?.isOver(startedAt)) this.returning = undefined;
    // A shard that was idle goes on at the tick of this moment, not where it stopped.
    if (this.rested || startedAt - nextAt > 10 * this.current.intervalMs)
      this.current.rest(startedAt);
    const next = this.nextTick;
    return this.rhythm.hasTick ? next : this.current.tickAt(startedAt, next);
  }

  made(tick: number, startedAt: number, now: number): void {
    this.current.made(tick, startedAt, now);
    this.rested = !this.shard.busy;
  }

  /** It waits for a timer, and has not counted the ticks that went by. */
  get isBehind(): boolean {
    const { tick } = this.shard.store;
    const hasTimer = this.shard.nextDue() !== Number.POSITIVE_INFINITY;
    if (this.rhythm.hasTick || !hasTimer) return false;
    return this.current.tickAt(this.clock.now(), tick) > tick;
  }

  /** Until the next timer is due; Infinity: there is none. */
  get timerInMs(): number {
    const due = this.shard.store.nextTimerDue();
    if (due === Number.POSITIVE_INFINITY) return due;
    return Math.max(0, this.current.dueAt(due) - this.clock.now());
  }
}
