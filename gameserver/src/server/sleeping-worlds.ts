import type { AsleepSlice, Clock, Logger, Timer } from "@atlasnet/core";
import { messageOf } from "@atlasnet/core/system";
import { AsleepReport } from "../sleep/asleep-report.ts";
import { Sleeper, type SleeperEffect, type SleeperEvent } from "../sleep/sleeper.ts";
import type { SleptState, WakingState } from "../sleep/slept-state.ts";
import { HeldMessages } from "./held-messages.ts";

export interface SleepingWorldsDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Has a shard fall asleep; undefined: somebody was there. @throws when it is nowhere now */
  sleep(shard: string): Promise<SleptState | undefined>;
  /** Opens it again, at the epoch it had. @throws when that is not the state it slept in, or cannot be read */
  wake(shard: string, slept: WakingState): Promise<void>;
  /** It runs no more, and is to be opened anew. */
  lost(shard: string, problem: string): void;
  /** It has no figures any more. */
  onAsleep(shard: string): void;
}

/** How long worlds took to wake, for figures. */
export interface WakeFigures {
  /** Since the start. */
  fallen: number;
  woken: number;
  /** Ms that the last one took, and the longest so far. */
  lastWakeMs: number;
  longestWakeMs: number;
}

/**
 * Worlds without players, saved and without memory, that this gameserver still owns. Whoever has something for a world
 * asks here first.
 */
export class SleepingWorlds {
  private readonly dependencies: SleepingWorldsDependencies;
  private readonly sleeper = new Sleeper();
  private readonly reports = new AsleepReport({
    names: () => this.sleeper.names(),
    isAsleep: (shard) => this.stateOf(shard) !== undefined,
  });
  private readonly held = new Map<string, HeldMessages>();
  private timer: Timer | undefined;
  private stopped = false;
  readonly figures: WakeFigures = { fallen: 0, woken: 0, lastWakeMs: 0, longestWakeMs: 0 };

  constructor(dependencies: SleepingWorldsDependencies) {
    this.dependencies = dependencies;
  }

  get count(): number {
    return this.sleeper.asleep;
  }

  /** The next part of those that sleep, for people; undefined: none does. */
  report(): AsleepSlice | undefined {
    return this.reports.next();
  }

  /** As what it sleeps; undefined: it is awake, or on its way there or back. */
  stateOf(shard: string): SleptState | undefined {
    return this.sleeper.stateOf(shard);
  }

  /** Nobody has been there for as long as its world says. */
  quiet(shard: string): void {
    if (!this.stopped) this.tell({ type: "quiet", shard });
  }

  /**
   * Whether what is for a shard can go there now. "held": `take` is called once it can, or it is known that it cannot,
   * in the order of these calls; `wakes`: the shard is woken for it. "asleep": it is not, and nobody is there to whom
   * it could matter. "full": there is no room, or no time any more.
   */
  keep(shard: string, take: () => void, wakes: boolean): "awake" | "held" | "full" | "asleep" {
    if (this.sleeper.isAwake(shard)) return "awake";
    if (!wakes && this.sleeper.stateOf(shard) !== undefined) return "asleep";
    if (this.stopped) return "full";
    const held = this.held.get(shard) ?? new HeldMessages();
    if (!held.hold(take)) return "full";
    this.held.set(shard, held);
    if (wakes) this.wake(shard);
    return "held";
  }

  /** It need not be wanted by anybody. */
  wake(shard: string): void {
    if (!this.stopped) this.tell({ type: "wanted", shard });
  }

  /** Resolves once it is awake, or is known not to be. */
  async awake(shard: string): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.keep(shard, resolve, true) !== "held") resolve();
    });
  }

  /** It is closed, given away or dead. What waited for it is let go. */
  ended(shard: string): void {
    if (this.sleeper.isAwake(shard)) return;
    this.tell({ type: "ended", shard });
    this.release(shard);
  }

  /** Nothing falls asleep or wakes any more. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private tell(event: SleeperEvent): void {
    const { clock } = this.dependencies;
    for (const effect of this.sleeper.handle(event, clock.now())) this.run(effect);
    this.arm();
  }

  private run(effect: SleeperEffect): void {
    const { shard } = effect;
    switch (effect.type) {
      case "fall":
        this.begin(shard, () => this.fall(shard));
        return;
      case "wake": {
        const { slept, elapsedMs } = effect;
        this.begin(shard, () => this.open(shard, { ...slept, elapsedMs }));
        return;
      }
      case "deliver":
        return this.release(shard);
      case "discard":
        this.held.delete(shard);
        return;
      case "lost":
        this.dependencies.lost(shard, effect.problem);
        return this.release(shard);
    }
  }

  private begin(shard: string, work: () => Promise<SleeperEvent>): void {
    const { logger } = this.dependencies;
    work()
      .catch((error: unknown): SleeperEvent => {
        logger.error("A world could not fall asleep or wake.", { shard, error });
        return { type: "failed", shard, problem: messageOf(error) };
      })
      .then((event) => this.tell(event))
      .catch((error: unknown) => logger.error("A fault of the gameserver's own.", { error }));
  }

  private async fall(shard: string): Promise<SleeperEvent> {
    const { sleep, logger, onAsleep } = this.dependencies;
    const slept = await sleep(shard);
    if (slept === undefined) return { type: "stayed", shard };
    this.figures.fallen += 1;
    logger.debug("A world sleeps.", { shard, tick: slept.tick });
    onAsleep(shard);
    return { type: "slept", shard, slept };
  }

  private async open(shard: string, slept: WakingState): Promise<SleeperEvent> {
    const { clock, wake, logger } = this.dependencies;
    const before = clock.now();
    await wake(shard, slept);
    const tookMs = clock.now() - before;
    const { figures } = this;
    figures.woken += 1;
    figures.lastWakeMs = tookMs;
    figures.longestWakeMs = Math.max(figures.longestWakeMs, tookMs);
    logger.debug("A world is awake.", { shard, tick: slept.tick, sleptMs: slept.elapsedMs });
    return { type: "woke", shard };
  }

  private release(shard: string): void {
    const held = this.held.get(shard);
    this.held.delete(shard);
    held?.release();
  }

  private arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const { nextAt } = this.sleeper;
    if (this.stopped || nextAt === Number.POSITIVE_INFINITY) return;
    const { clock } = this.dependencies;
    // A clock's timers reach so far, and a world may have a timer in a year.
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, nextAt - clock.now()));
    this.timer = clock.setTimer(waitMs, () => this.tell({ type: "time" }));
  }
}

const MAX_TIMER_MS = 24 * 60 * 60 * 1000;
