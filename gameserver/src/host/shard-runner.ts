import { type Clock, type Disk, type Logger, OperatingError, type ToShard } from "@atlasnet/core";
import type { Response } from "@atlasnet/world";
import type { Ownership } from "../durability/plan-run.ts";
import type { ShardStorage } from "../durability/shard-storage.ts";
import type { Guard } from "../shard/guarded.ts";
import type { Shard, TickResult } from "../shard/shard.ts";
import type { SleptState } from "../sleep/slept-state.ts";
import { MalformedLog } from "./malformed-log.ts";
import { type LoadedModule, loadModule, newShard } from "./open-shard.ts";
import { PaceLog } from "./pace-log.ts";
import type { FromThread, ShardStats, ThreadSettings, WorldSettings } from "./protocol.ts";
import { ShardCopies } from "./shard-copies.ts";
import { ShardKeeper } from "./shard-keeper.ts";
import { ShardMeter } from "./shard-meter.ts";
import { ShardPosts } from "./shard-posts.ts";
import { type Rhythm, ShardSchedule } from "./shard-schedule.ts";
import { type StartedShard, startShard } from "./start-shard.ts";
import { swapShard, withModule } from "./swap-shard.ts";
import { threadError } from "./thread-error.ts";
import type { Ticking, TickLoop } from "./tick-loop.ts";
import type { TickWatch } from "./tick-watch.ts";

export interface RunnerDependencies {
  clock: Clock;
  disk: Disk;
  logger: Logger;
  loop: TickLoop;
  guard: Guard;
  post: (message: FromThread) => void;
  /** Unix ms with fractions, the same on every thread: for the times of spans. */
  unixMs: () => number;
  watch?: TickWatch | undefined;
}

/** What is left of a shard that ran and has stopped, for who follows from there. */
export interface KeptShard {
  settings: WorldSettings;
  loaded: LoadedModule;
  shard: Shard;
}

/** A world wakes for somebody who waits: its first tick is due so soon, with what came for it meanwhile. */
const WAKING_TICK_MS = 5;
/** A world that moves has more time than it needs before a tick that is so far away … */
const MOVE_MS = 150;
/** … or by so much of the time between two ticks: then the last one was just made. */
const UNTICKED = 0.8;
/**
 * The files of a world that was taken over are opened, and its first snapshot is made, so long after: until then its
 * players come back, who would wait for the processor. A copy of shortly before the move is on the disk meanwhile.
 */
const FILES_AFTER_MS = 150;
/**
 * Ticks that a shard may make to settle when it stops. A world that has something new to settle after each is
 * stopped as it is: what it wished for last, a kick or a transfer, is lost.
 */
const MAX_SETTLING_TICKS = 3;

/**
 * A shard in its surroundings: it is loaded, restored, ticked on time, kept on disk, and given a new
 * module while its players stay.
 */
export class ShardRunner implements Ticking {
  readonly settings: WorldSettings;
  private readonly thread: ThreadSettings;
  private readonly dependencies: RunnerDependencies;
  private readonly meter: ShardMeter;
  private readonly logger: Logger;
  private readonly paceLog: PaceLog;
  private readonly malformedLog: MalformedLog;
  private readonly keeper: ShardKeeper;
  private readonly posts: ShardPosts;
  private readonly copies: ShardCopies;
  private loaded: LoadedModule;
  private shard: Shard;
  private readonly schedule: ShardSchedule;
  /** Set while the shard must not tick: a swap or the end. */
  private paused = false;
  /** Nothing may leave the process: the world stands still. */
  private sealed = false;
  /** It goes on all the same: its mirror's word is enough. */
  private unleased = false;
  /** Too much of what it said waits for its mirror. */
  private held = false;
  /** The world moves, and has made its last tick here unless that fails. */
  private stopped = false;
  /** The next tick is to be the last one here. */
  private stopping = false;
  /** Since when nobody is there, on the clock; as it was seen. */
  private quietSince: number | undefined;
  nextAt = Number.POSITIVE_INFINITY;

  private constructor(
    settings: WorldSettings,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
    parts: StartedShard,
  ) {
    this.settings = settings;
    this.thread = thread;
    this.dependencies = dependencies;
    this.meter = new ShardMeter(dependencies.clock.now());
    this.logger = dependencies.logger.child({ world: settings.world, shard: settings.shard });
    this.paceLog = new PaceLog({ logger: this.logger });
    this.malformedLog = new MalformedLog({ clock: dependencies.clock, logger: this.logger });
    this.posts = new ShardPosts(settings, dependencies);
    this.copies = new ShardCopies(settings.shard, dependencies.post);
    this.loaded = parts.loaded;
    this.shard = parts.shard;
    this.keeper = new ShardKeeper(thread.snapshotIntervalMs, {
      clock: dependencies.clock,
      logger: this.logger,
      current: () => ({ shard: this.shard, definition: this.loaded.definition.data }),
      onWritten: (snapshot, final) => {
        const { shard } = settings;
        if (snapshot.owner !== undefined)
          dependencies.post({ type: "snapshot", shard, snapshot, final });
      },
    });
    this.keeper.use(parts.storage);
    this.schedule = new ShardSchedule(dependencies, this.shard, rhythmOf(this.loaded));
  }

  /** Loads a world's module and its newest state. @throws an error that says what to do. */
  static async open(
    settings: WorldSettings,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
  ): Promise<ShardRunner> {
    const { waking } = settings;
    const parts = await startShard(settings, thread, dependencies);
    const runner = new ShardRunner(settings, thread, dependencies, parts);
    if (waking !== undefined) runner.schedule.wake(waking);
    const { clock } = dependencies;
    runner.begin(waking === undefined ? undefined : clock.now() + WAKING_TICK_MS);
    return runner;
  }

  /**
   * Goes on with a shard that took over a state from another node, and ticks `dueMs` from now for the first time. Its
   * storage is opened beside it; without an `opener` nothing is kept.
   */
  static promoted(
    settings: WorldSettings,
    thread: ThreadSettings,
    dependencies: RunnerDependencies,
    parts: {
      loaded: LoadedModule;
      shard: Shard;
      dueMs: number;
      followed: boolean;
      opener: (() => Promise<ShardStorage>) | undefined;
    },
  ): ShardRunner {
    const { loaded, shard, dueMs, followed, opener } = parts;
    const kept = { loaded, shard, storage: undefined };
    const runner = new ShardRunner(settings, thread, dependencies, kept);
    if (followed) runner.copies.goOn();
    const dueAt = dependencies.clock.now() + dueMs;
    runner.schedule.expect(shard.expectedBack, dueAt);
    runner.begin(dueAt);
    if (opener !== undefined) runner.keeper.openBeside(opener, FILES_AFTER_MS);
    return runner;
  }

  get epoch(): number {
    return this.shard.options.epoch;
  }

  get tickRate(): number {
    return this.loaded.definition.data.tickRate;
  }

  get definitionName(): string {
    return this.loaded.definition.data.name;
  }

  /** `dueAt`: of the next tick, on the clock. Default: a tick was just made. */
  private begin(dueAt?: number): void {
    // The state was restored since: its ticks go on from now.
    this.schedule.begin(this.shard, rhythmOf(this.loaded), dueAt);
    this.posts.request(this.epoch, this.shard.store.tick, this.shard.pendingRequests());
    this.keeper.start();
    this.reschedule();
  }

  receive(peer: number, messages: readonly ToShard[]): void {
    const { malformed } = this.shard;
    let traced = false;
    for (const message of messages)
      if (message.type === "upstream" && message.trace !== undefined) {
        traced = true;
        this.shard.receive(peer, message, this.dependencies.unixMs());
      } else this.shard.receive(peer, message);
    if (traced) this.posts.traces(this.shard);
    this.schedule.saw(messages);
    if (this.shard.malformed > malformed) this.malformedLog.dropped(peer, this.shard.malformed);
    this.reschedule();
  }

  disconnect(peer: number): void {
    this.shard.disconnect(peer);
    this.reschedule();
  }

  respond(response: Response): void {
    this.shard.respond(response);
    this.reschedule();
  }

  /** Finds out when the next tick is due, and tells the loop when that changed. */
  private reschedule(): void {
    this.schedule.standStill(this.isStill);
    const before = this.nextAt;
    this.nextAt = this.schedule.due();
    if (this.nextAt !== before) this.dependencies.loop.wake(this);
    // The tick it was to stop behind does not come for now.
    if (this.stopping && this.nextAt === Number.POSITIVE_INFINITY) this.stopNow();
  }

  private get isStill(): boolean {
    return this.paused || this.isSealed || this.held || this.stopped;
  }

  private get isSealed(): boolean {
    return this.sealed && !this.unleased;
  }

  /** Stands still from here on, or goes on as if no time had passed. */
  seal(sealed: boolean): void {
    if (this.sealed === sealed) return;
    this.sealed = sealed;
    this.reschedule();
  }

  /** Being sealed is nothing to it, or is again. */
  actUnleased(holds: boolean): void {
    if (this.unleased === holds) return;
    this.unleased = holds;
    this.reschedule();
  }

  /** Makes no tick, or goes on as if no time had passed. */
  hold(held: boolean): void {
    if (this.held === held) return;
    this.held = held;
    this.reschedule();
  }

  run(startedAt: number): void {
    const { clock } = this.dependencies;
    const { schedule } = this;
    const { pace } = schedule;
    const previous = this.shard.store.tick;
    const tick = schedule.take(startedAt, this.nextAt);
    const dilation = pace.news();
    this.paceLog.tick(previous, pace.perMille, startedAt);
    const result = this.watched(() => this.shard.tick(tick, dilation || pace.current));
    // First: what a tick lets out may have to wait until whoever follows has it.
    this.copies.delta({ previous, tick, data: result.delta }, () => this.shard.digest());
    this.posts.tell(result);
    this.posts.request(this.epoch, tick, result.requests);
    const ageMs = Math.max(0, Math.round(clock.now() - pace.dueAt(tick)));
    this.posts.out(tick, result.messages, ageMs);
    this.keeper.keep(tick, result.delta);
    this.posts.traces(this.shard);
    const now = clock.now();
    schedule.made(tick, startedAt, now);
    this.meter.tick(now - startedAt, result);
    this.nextAt = schedule.due();
    if (this.stopping) this.stopNow();
  }

  private watched(run: () => TickResult): TickResult {
    const { settings, dependencies, loaded, shard } = this;
    if (dependencies.watch === undefined) return run();
    return dependencies.watch.tick(shard, run, () => newShard(settings, loaded, dependencies));
  }

  /** Begins a copy for somebody to follow. @throws OperatingError while the shard is being replaced or ended */
  copy(number: number): void {
    this.checkNotPaused();
    this.copies.begin(number, this.shard, this.loaded.definition.data);
  }

  readCopy(number: number, offset: number, maxBytes: number): void {
    this.copies.read(number, offset, maxBytes);
  }

  endCopy(number: number): void {
    this.copies.end(number);
    this.shard.holdDigest(this.stopped || this.copies.hasKept);
  }

  /**
   * Makes no tick from here on, and says which was the last. What comes in waits as between two ticks. Players wait
   * the least if who goes on has the whole time between two ticks to get ready: so it stops behind the next tick, unless
   * that is far away.
   * @throws OperatingError while the shard is being replaced or ended
   */
  stop(): void {
    this.checkNotPaused();
    const leftMs = this.nextAt - this.dependencies.clock.now();
    const { intervalMs } = this.schedule.pace;
    this.stopping = !this.stopped && leftMs < Math.min(MOVE_MS, intervalMs * UNTICKED);
    if (!this.stopping) this.stopNow();
  }

  private stopNow(): void {
    this.stopping = false;
    if (!this.stopped && !this.isSealed) this.settle();
    const { clock, post } = this.dependencies;
    const { shard } = this.settings;
    const hash = this.shard.digest();
    if (hash === undefined) {
      const error = new OperatingError("shard-busy", "a shard is stopped only when it was copied");
      return post({ type: "failed", shard, during: "seal", error: threadError(error) });
    }
    this.stopped = true;
    // Who is told of the seal may want the state to be followed from here.
    this.shard.holdDigest(true);
    this.reschedule();
    const { tick } = this.shard.store;
    const dueMs = Math.max(0, Math.round(this.schedule.pace.dueAt(tick + 1) - clock.now()));
    post({ type: "sealed", shard, tick, ...hash, dueMs });
  }

  /** Makes the ticks without which something would be lost where the shard goes on. */
  private settle(): void {
    const { clock } = this.dependencies;
    this.catchUp();
    for (let n = 0; n < MAX_SETTLING_TICKS && !this.shard.isSettled; n++) this.run(clock.now());
  }

  /** A world at rest has not counted the ticks that went by: elsewhere, or opened again, its timers would come late. */
  private catchUp(): void {
    if (this.schedule.isBehind) this.run(this.dependencies.clock.now());
  }

  /** The move failed: goes on as if no time had passed. */
  resume(): void {
    this.stopping = false;
    if (!this.stopped) return;
    this.stopped = false;
    this.shard.holdDigest(this.copies.hasKept);
    this.reschedule();
  }

  private checkNotPaused(): void {
    if (this.paused)
      throw new OperatingError(
        "shard-busy",
        `shard ${this.settings.shard} is being given a new module, or is being closed`,
      );
  }

  /** To be asked every second or so: says when nobody has been there for as long as the world wants. */
  lookForSleep(): void {
    const { sleepAfterMs = 0, shard } = this.settings;
    if (sleepAfterMs === 0) return;
    const now = this.dependencies.clock.now();
    this.quietSince = this.isQuiet ? (this.quietSince ?? now) : undefined;
    if (this.quietSince !== undefined && now - this.quietSince >= sleepAfterMs)
      this.dependencies.post({ type: "quiet", shard });
  }

  /** Nobody is there or follows it, its files are well, and no timer is due so soon that it is not worth it. */
  get isQuiet(): boolean {
    const { durability, sleepAfterMs = 0 } = this.settings;
    const isFree = !this.paused && !this.sealed && !this.stopped && !this.copies.isFollowed;
    // A mirrored world has a follower that must not be left alone.
    const isKept = durability !== "none" && durability !== "mirror" && this.keeper.isWell;
    return isFree && isKept && this.shard.isDeserted && this.schedule.timerInMs >= sleepAfterMs;
  }

  /**
   * Saves the shard and ends: it makes no tick any more. `ends` is called when there is no way back. Undefined: it could
   * not be saved, which was said, and goes on. @throws when it ended, and it is not known how
   */
  async sleep(ends: () => void): Promise<SleptState | undefined> {
    const { timerInMs } = this.schedule;
    let crc: number;
    this.pause(true);
    try {
      crc = await this.keeper.save();
    } catch (error) {
      this.logger.error("A world without players cannot be saved: it stays awake.", { error });
      this.quietSince = undefined;
      this.pause(false);
      return undefined;
    }
    ends();
    this.dependencies.loop.remove(this);
    const { epoch: fileEpoch, tick } = await this.keeper.end();
    const { timeline } = this.shard.options;
    const slept = { fileEpoch, tick, timeline, crc };
    return timerInMs === Number.POSITIVE_INFINITY ? slept : { ...slept, wakeInMs: timerInMs };
  }

  /** Seconds since the last report, in figures; undefined when nothing happened. */
  stats(): ShardStats | undefined {
    const now = this.dependencies.clock.now();
    const { keeper } = this;
    const stats = this.meter.report(
      now,
      this.settings.shard,
      this.shard,
      this.schedule.pace,
      keeper.kept,
    );
    if (stats !== undefined && keeper.problem !== "") stats.storageProblem = keeper.problem;
    return stats;
  }

  /** Loads a changed module and carries the state over into a shard that is thrown away. @throws what does not fit */
  async tryModule(file: string, generation: number): Promise<void> {
    const { shard, dependencies } = this;
    const settings = { ...this.settings, file, generation };
    const loaded = await loadModule(settings);
    withModule({ shard, loaded: this.loaded }, loaded, settings, dependencies);
  }

  /**
   * Goes on with a changed module: the state is carried over, players stay. When the new module does
   * not load or does not fit, the old one goes on and the error is thrown.
   */
  async swap(file: string, generation: number, ownership?: Ownership): Promise<void> {
    if (this.stopped || this.stopping)
      throw new OperatingError(
        "shard-busy",
        `shard ${this.settings.shard} is on its way elsewhere`,
      );
    const settings = { ...this.settings, file, generation, fresh: false, ownership };
    const loaded = await loadModule(settings);
    const old = this.shard;
    this.pause(true);
    try {
      const running = { shard: old, loaded: this.loaded, keeper: this.keeper };
      const { shard, storage } = await swapShard(
        running,
        loaded,
        settings,
        this.thread,
        this.dependencies,
      );
      shard.giveWorldEvents(old.takeWorldEvents());
      this.posts.traces(old);
      this.posts.refusals(old);
      this.copies.lose("it was given a new module");
      this.keeper.use(storage);
      this.shard = shard;
      this.loaded = loaded;
      this.settings.file = file;
      this.settings.generation = generation;
      this.settings.ownership = ownership;
      this.schedule.begin(shard, rhythmOf(loaded));
    } finally {
      this.pause(false);
    }
    // The new module runs: a snapshot that fails now is tried again like any other.
    this.keeper.snapshot();
  }

  /** Who waits for a tick that is made elsewhere is told to come again there. */
  private leaveQueue(): void {
    this.copies.endAll();
    this.shard.takeWorldEvents();
    this.posts.refusals(this.shard);
    this.posts.traces(this.shard);
  }

  /** What can be followed here once this is closed; undefined: it was not sealed for a move. */
  get kept(): KeptShard | undefined {
    const { settings, loaded, shard } = this;
    return this.stopped ? { settings, loaded, shard } : undefined;
  }

  private pause(paused: boolean): void {
    this.paused = paused;
    this.keeper.hold(paused);
    this.reschedule();
  }

  /**
   * Stops ticking and writes the last state; of one that was `handedOver`, only what its journal has yet to write.
   * @throws when it could not be written.
   */
  async close(handedOver = false): Promise<void> {
    this.stopping = false;
    if (!this.isStill) this.catchUp();
    this.paused = true;
    this.keeper.hold(true);
    this.dependencies.loop.remove(this);
    this.nextAt = Number.POSITIVE_INFINITY;
    if (this.stopped) this.leaveQueue();
    else this.copies.lose("it is being closed");
    await this.keeper.stop(handedOver);
  }
}

function rhythmOf({ definition, module }: LoadedModule): Rhythm {
  return { tickRate: definition.data.tickRate, hasTick: module.hasTick };
}
