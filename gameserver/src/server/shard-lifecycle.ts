import { type Logger, OperatingError } from "@atlasnet/core";
import { resolveModule } from "../host/load-module.ts";
import type { KeptState, ReplicaSourceFacts, WorldSettings } from "../host/protocol.ts";
import type { Opened, ThreadPool } from "../host/thread-pool.ts";
import type { WakingState } from "../sleep/slept-state.ts";
import type { GameserverControl } from "./gameserver-control.ts";
import { factsOf, type HostedEntry, type HostedWorld, type WorldRequest } from "./hosted-world.ts";
import type { OutGate } from "./out-gate.ts";
import type { ProxyLinks } from "./proxy-links.ts";
import { SharedTexts } from "./shared-texts.ts";
import type { SleepingWorlds } from "./sleeping-worlds.ts";

export interface ShardLifecycleOptions {
  readonly outboxMessages: number;
  readonly outboxBytes: number;
  readonly maxSessionsPerWorld: number;
}

export interface ShardLifecycleDependencies {
  /** What runs here: nobody else changes it. */
  readonly worlds: Map<string, HostedEntry>;
  readonly pool: ThreadPool;
  readonly gate: OutGate;
  readonly sleeping: SleepingWorlds;
  readonly proxies: ProxyLinks;
  readonly logger: Logger;
  /** Absent: what dies is opened again here, at an epoch of its own. */
  readonly control?: GameserverControl | undefined;
  /** Seeds of new worlds. */
  randomSeed(): number;
  /** A shard is at a (new) epoch: the placement changed. */
  onPlaced(world: HostedWorld): void;
}

/** Worlds of one gameserver: links have a channel for each, and name all in one message. */
const MAX_WORLDS = 10_000;
/** A world whose thread died is opened again after this long. */
const REOPEN_DELAY_MS = 1_000;

/** A shard that ran here and is followed here now. */
export interface LeftShard {
  readonly state: KeptState;
  /** As it ran. */
  readonly settings: WorldSettings;
}

/** How shards come to run on a gameserver, change their module or their epoch, and end, in order or not. */
export class ShardLifecycle {
  private readonly options: ShardLifecycleOptions;
  private readonly dependencies: ShardLifecycleDependencies;
  private readonly texts = new SharedTexts();
  private readonly reopening = new Set<NodeJS.Timeout>();
  private lost = 0;
  private isEnding = false;

  constructor(options: ShardLifecycleOptions, dependencies: ShardLifecycleDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** Grows with every registration that is lost: what was begun under it is not finished. */
  get losses(): number {
    return this.lost;
  }

  /** Loads a world and begins to tick. @throws OperatingError that says what to do. */
  async open(request: WorldRequest, baseDir: string): Promise<HostedWorld> {
    const { worlds, proxies } = this.dependencies;
    const shard = `${request.world}/0`;
    if (worlds.has(shard))
      throw new OperatingError("world-exists", `world ${request.world} runs here already`);
    if (worlds.size >= MAX_WORLDS)
      throw new OperatingError("too-many-worlds", `${MAX_WORLDS} worlds run here, the most`, {
        hint: "Put the world on another gameserver.",
      });
    const hosted = await this.openShard(this.settingsOf(request, baseDir));
    proxies.announceHosting();
    return hosted;
  }

  /** As what a thread is to run it. @throws OperatingError when there is no such module */
  settingsOf(request: WorldRequest, baseDir: string): WorldSettings {
    return {
      world: request.world,
      shard: `${request.world}/0`,
      file: this.texts.share(resolveModule(request.module, baseDir)),
      generation: 0,
      config: request.config,
      durability: request.durability,
      fresh: request.fresh,
      graceSeconds: request.graceSeconds,
      maxSessions: this.options.maxSessionsPerWorld,
      outboxMessages: this.options.outboxMessages,
      outboxBytes: this.options.outboxBytes,
      seed: this.dependencies.randomSeed(),
      lastEpoch: 0,
      ownership: request.ownership,
      othersGivenUp: request.othersGivenUp,
      recorded: request.recorded,
      fetched: request.fetched,
      sleepAfterMs: (request.sleepAfterSeconds ?? 0) * 1000,
    };
  }

  private async openShard(settings: WorldSettings): Promise<HostedWorld> {
    const { pool, gate } = this.dependencies;
    const { world, shard } = settings;
    const { losses } = this;
    gate.forget(shard);
    const opened = await pool.open(settings);
    if (losses !== this.losses)
      throw new OperatingError("ownership-lost", `world ${world} was given away while it opened`);
    return this.isOpen(settings, opened);
  }

  /** Opens a world that slept, at the epoch that it has. @throws OperatingError */
  async wake(shard: string, waking: WakingState): Promise<void> {
    const settings = this.dependencies.worlds.get(shard)?.settings;
    if (settings === undefined)
      throw new OperatingError("unknown-world", `${shard} is not here any more`);
    await this.dependencies.pool.open({
      ...{ ...settings, waking, fresh: false },
      ...{ recorded: undefined, fetched: undefined },
    });
  }

  /** A thread runs it. */
  isOpen(settings: WorldSettings, { epoch, tickRate, definition }: Opened): HostedWorld {
    const { worlds, proxies, logger, onPlaced } = this.dependencies;
    const { world, shard, file } = settings;
    const named = this.texts.share(definition);
    const hosted: HostedWorld = { world, shard, epoch, tickRate, definition: named, file };
    worlds.set(shard, { hosted, settings });
    proxies.serve(shard);
    logger.info("A world is open.", { world, shard, epoch, tickRate, module: file });
    onPlaced(hosted);
    return hosted;
  }

  /**
   * Replaces a running world's module; players stay attached. @throws OperatingError when the new
   * module does not load or fit: the old one goes on.
   */
  async swap(world: string, file: string): Promise<void> {
    const { worlds, sleeping, control, pool } = this.dependencies;
    const entry = worlds.get(`${world}/0`);
    if (entry === undefined)
      throw new OperatingError("unknown-world", `world ${world} does not run here`);
    const { hosted, settings } = entry;
    await sleeping.awake(hosted.shard);
    settings.generation += 1;
    // Before the epoch is renewed: the one before is over then, and a world that was to go on at it begins anew.
    await pool.tryModule(hosted.shard, file, settings.generation);
    const ownership = await control?.renew(hosted.shard);
    try {
      hosted.epoch = await pool.swap(hosted.shard, file, settings.generation, ownership);
    } catch (error) {
      // What goes on does so at the epoch before, which is over.
      if (ownership !== undefined) this.restart(hosted.shard, "a changed module was refused");
      throw error;
    }
    settings.ownership = ownership;
    settings.file = file;
    hosted.file = file;
    this.announce(hosted);
  }

  /** The shard is at a new epoch: proxies attach their clients anew. */
  private announce(hosted: HostedWorld): void {
    const { onPlaced, proxies } = this.dependencies;
    onPlaced(hosted);
    const { shard, epoch } = hosted;
    proxies.sendToAll({ type: "shard-reset", shard, epoch });
    proxies.announceHosting();
  }

  /** Their thread died: they are opened again, by whoever gave them to this server, if somebody did. */
  threadDied(shards: readonly string[]): void {
    if (this.dependencies.control !== undefined) return this.died(shards, "its thread died");
    for (const shard of shards) this.reopen(shard);
  }

  /** They are on no thread any more, and did not end in order. */
  died(shards: readonly string[], problem: string): void {
    const { control, proxies } = this.dependencies;
    for (const shard of shards) if (this.drop(shard)) control?.died(shard, problem);
    proxies.announceHosting();
  }

  private reopen(shard: string): void {
    const { worlds, logger } = this.dependencies;
    const entry = worlds.get(shard);
    if (entry === undefined) return;
    const timer = setTimeout(() => {
      this.reopening.delete(timer);
      const lastEpoch = entry.hosted.epoch;
      this.openShard({ ...entry.settings, fresh: false, lastEpoch }).then(
        (hosted) => this.announce(hosted),
        (error: unknown) => {
          const facts = factsOf(worlds, shard);
          logger.error("A world could not be opened again.", { ...facts, error });
          if (!this.isEnding) this.reopen(shard);
        },
      );
    }, REOPEN_DELAY_MS);
    this.reopening.add(timer);
  }

  /** What a shard still had to say does not leave any more. False: it did not run here. */
  private drop(shard: string): boolean {
    const { gate, worlds, sleeping, control } = this.dependencies;
    gate.forget(shard);
    const found = worlds.delete(shard);
    sleeping.ended(shard);
    if (found) control?.gone(shard);
    return found;
  }

  /** Stops a world, for whoever gave it to this server to have it opened again. */
  restart(shard: string, problem: string): void {
    const { worlds, sleeping, pool, control, logger } = this.dependencies;
    const facts = factsOf(worlds, shard);
    const found = worlds.delete(shard);
    sleeping.ended(shard);
    control?.gone(shard);
    const told = () => {
      if (found) control?.died(shard, problem);
    };
    pool.close(shard).then(told, (error: unknown) => {
      logger.error("A world was closed without its last state.", { ...facts, error });
      told();
    });
  }

  /**
   * Stops a world in order: nobody comes in any more, its last state is written, unless it was `handedOver` to another
   * node. Nothing to do when it does not run here. `keep`: it is followed here from then on, if it was sealed for a move;
   * what is left of it, then.
   * @throws OperatingError when its state could not be written; it runs no more then, either.
   */
  async close(
    world: string,
    handedOver: boolean,
    keep?: ReplicaSourceFacts,
  ): Promise<LeftShard | undefined> {
    const { worlds, sleeping, pool, gate, proxies, control } = this.dependencies;
    const shard = `${world}/0`;
    const { settings } = worlds.get(shard) ?? {};
    const { ownership } = settings ?? {};
    const slept = sleeping.stateOf(shard);
    // What is on its way there or back is awake first: its last state is not known otherwise.
    if (slept === undefined) await sleeping.awake(shard);
    if (!worlds.delete(shard)) return undefined;
    sleeping.ended(shard);
    if (slept !== undefined && ownership !== undefined)
      control?.endedAsleep?.(shard, ownership, slept.tick);
    try {
      const state = await pool.close(shard, handedOver, keep);
      return state && settings && { state, settings };
    } finally {
      gate.forget(shard);
      control?.gone(shard);
      proxies.announceHosting();
    }
  }

  /**
   * Closes every world, and lets nothing out that it had to say: others may own them. Their states go to the
   * files of this node, where they are of use if it owns them again. Resolves when none runs.
   */
  async abandon(): Promise<void> {
    const { worlds, pool, gate, logger } = this.dependencies;
    this.lost += 1;
    gate.lose();
    for (const shard of [...worlds.keys()]) this.drop(shard);
    const { shards } = pool;
    const results = await Promise.allSettled(shards.map((shard) => pool.close(shard)));
    for (const [index, result] of results.entries())
      if (result.status === "rejected")
        logger.error("A world was closed without its last state.", {
          shard: shards[index],
          error: result.reason,
        });
    gate.reset();
  }

  /** Writes the state of every world, for none runs here again. @throws the first failure, after all were tried. */
  async end(): Promise<void> {
    const { worlds, pool } = this.dependencies;
    this.isEnding = true;
    for (const timer of this.reopening) clearTimeout(timer);
    const results = await Promise.allSettled([...worlds.keys()].map((shard) => pool.close(shard)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}
