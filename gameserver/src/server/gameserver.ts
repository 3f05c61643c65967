import type {
  AsleepSlice,
  Clock,
  Link,
  LinkListener,
  LinkMessage,
  LinkNetwork,
  Logger,
  ToProxy,
  ToShard,
} from "@atlasnet/core";
import {
  clipText,
  type Hosting,
  isToShard,
  MAX_NOTICE_BYTES,
  NODE_CHANNEL,
  OperatingError,
  type ShardSealed,
  type ShardUnsealed,
  shardChannel,
} from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/node";
import type { Plain } from "@atlasnet/world";
import type { Tracer } from "@opentelemetry/api";
import type { Ownership } from "../durability/plan-run.ts";
import type { RunOwner } from "../durability/run-file.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import { resolveModule } from "../host/load-module.ts";
import type {
  Durability,
  FromThread,
  ReplicaNews,
  ShardStats,
  ThreadSettings,
  ToThread,
  WorldSettings,
} from "../host/protocol.ts";
import { type Opened, type StartWorker, ThreadPool } from "../host/thread-pool.ts";
import type { Fault } from "../shard/shard.ts";
import type { WakingState } from "../sleep/slept-state.ts";
import { HeldMessages } from "./held-messages.ts";
import { MAX_HELD_BYTES_PER_SHARD, OutGate } from "./out-gate.ts";
import { Repeats } from "./repeats.ts";
import { type Service, Services } from "./services.ts";
import { SharedTexts } from "./shared-texts.ts";
import { SleepingWorlds, type WakeFigures } from "./sleeping-worlds.ts";
import { TraceRelay } from "./trace-relay.ts";

export interface GameserverOptions {
  node: string;
  /** World threads. */
  threads: number;
  thread: ThreadSettings;
  outboxMessages: number;
  outboxBytes: number;
  maxSessionsPerWorld: number;
}

export interface GameserverDependencies {
  links: LinkNetwork;
  logger: Logger;
  /** Seeds of new worlds. */
  randomSeed: () => number;
  /** What worlds reach with `ctx.request`, by name. */
  services: ReadonlyMap<string, Service>;
  /** Called once a second per thread with what its shards did. */
  onStats(stats: readonly ShardStats[]): void;
  /** A shard is at a (new) epoch: the placement changed. */
  onPlaced(world: HostedWorld): void;
  /** A shard sleeps: it has no figures until it is awake. */
  onAsleep?(shard: string): void;
  /** Every fault of world code; `repeated` when the same was reported a moment ago. */
  onFault(world: string, fault: WorldFault, repeated: boolean): void;
  /** Who gives worlds to this server. Absent: it keeps what it opens, at epochs of its own. */
  control?: GameserverControl | undefined;
  /** Spans of the messages that proxies trace. Absent: their marks are ignored. */
  tracer?: Tracer | undefined;
  /** Default: the system's. */
  clock?: Clock | undefined;
  /** Default: threads of this process. */
  startWorker?: StartWorker | undefined;
}

/** What a gameserver asks of whoever gives it its worlds. */
export interface GameserverControl {
  /** See ControlPlane; asked before anything leaves this process. */
  mayAct(): boolean;
  /** A new epoch for a world that goes on. @throws when there is none: it goes on as it is. */
  renew(shard: string): Promise<Ownership>;
  /** A shard is no more: its thread died, or its output could not be held. */
  died(shard: string, problem: string): void;
  /** A shard runs here no more. */
  gone(shard: string): void;
  /** Moves worlds between this gameserver and others. Absent: links of other gameservers are refused. */
  readonly moves?: GameserverMoves | undefined;
  /** Its state is on the disk; `final`: it was stopped there, and is about to be gone. */
  written?(shard: string, snapshot: WrittenSnapshot, final: boolean): void;
  /** It was asleep, and is about to be gone: what was written at this tick is its last state. */
  endedAsleep?(shard: string, owner: RunOwner, tick: number): void;
}

/** What a gameserver tells of whoever moves its worlds. */
export interface GameserverMoves {
  /** Another gameserver opened a link. */
  accept(link: Link): void;
  news(news: ReplicaNews): void;
  /** The threads of these shards and replicas died. */
  died(shards: readonly string[], problem: string): void;
}

export type WorldFault = Pick<Fault, "event" | "tick" | "message" | "stack">;

type ReplicaBegin = Extract<ToThread, { type: "replica" }>;

/** A world this gameserver is asked to host. */
export interface WorldRequest {
  world: string;
  /** Path or package name of its module. */
  module: string;
  config: Plain;
  durability: Durability;
  graceSeconds: number;
  fresh: boolean;
  /** From the control plane that gives the world to this server. */
  ownership?: Ownership | undefined;
  /** See WorldSettings. */
  othersGivenUp?: WorldSettings["othersGivenUp"];
  recorded?: WorldSettings["recorded"];
  fetched?: WorldSettings["fetched"];
  /** Without players for so long it sleeps; absent or 0: never, as without a control plane. */
  sleepAfterSeconds?: number | undefined;
}

export interface HostedWorld {
  readonly world: string;
  readonly shard: string;
  epoch: number;
  tickRate: number;
  definition: string;
  file: string;
}

/** Outboxes and queues are bounded by these unless configured otherwise. */
export const DEFAULT_OUTBOX_BYTES = 1024 * 1024;
/** Worlds of one gameserver: links have a channel for each, and name all in one message. */
const MAX_WORLDS = 10_000;
/** What a request weighs while it is held, as a rule. */
const REQUEST_BYTES = 1024;
/** What a message weighs while it is held, beside the batch it carries. */
const MESSAGE_BYTES = 256;
/** A world whose thread died is opened again after this long. */
const REOPEN_DELAY_MS = 1_000;

/**
 * A gameserver: it hosts worlds on threads and connects them to proxies. It moves messages and makes
 * no decisions about players; those are the shards'.
 */
export class Gameserver {
  private readonly options: GameserverOptions;
  private readonly dependencies: GameserverDependencies;
  private readonly pool: ThreadPool;
  private readonly services: Services;
  private readonly traces: TraceRelay;
  private readonly gate: OutGate;
  private readonly worlds = new Map<string, { hosted: HostedWorld; settings: WorldSettings }>();
  /** Replicas of what runs elsewhere, as they are to run here, with what comes for them before they do. */
  private readonly following = new Map<string, { settings: WorldSettings; held: HeldMessages }>();
  private readonly sleeping: SleepingWorlds;
  private readonly texts = new SharedTexts();
  private readonly peers = new Map<number, Link>();
  private readonly repeats = new Repeats(performance.now.bind(performance));
  private readonly reopening = new Set<NodeJS.Timeout>();
  private listener: LinkListener | undefined;
  private nextPeer = 1;
  /** Grows with every registration that is lost: what was begun under it is not finished. */
  private losses = 0;
  private bytes = 0;
  private state: "starting" | "ready" | "draining" | "stopped" = "starting";

  constructor(options: GameserverOptions, dependencies: GameserverDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.services = new Services(dependencies.services, (shard, response) =>
      this.tell(shard, { type: "response", shard, response }),
    );
    const { logger, clock = systemClock } = dependencies;
    this.sleeping = new SleepingWorlds({
      ...{ clock, logger },
      sleep: (shard) => this.pool.sleep(shard),
      wake: (shard, waking) => this.wakeShard(shard, waking),
      lost: (shard, problem) => {
        if (!this.drop(shard)) return;
        dependencies.control?.died(shard, problem);
        this.announceHosting();
      },
      onAsleep: (shard) => dependencies.onAsleep?.(shard),
    });
    this.gate = new OutGate(
      {},
      {
        mayAct: () => dependencies.control?.mayAct() ?? true,
        overflowed: (shard) => this.spoiled(shard),
        crowded: (shard, held) => this.pool.send(shard, { type: "hold-shard", shard, held }),
        now: () => clock.now(),
      },
    );
    this.traces = new TraceRelay({
      tracer: dependencies.tracer,
      unixMs: () => performance.timeOrigin + performance.now(),
    });
    this.pool = new ThreadPool(
      { threads: options.threads, settings: options.thread },
      {
        logger: dependencies.logger,
        startWorker: dependencies.startWorker,
        events: {
          message: (message) => this.receive(message),
          died: (shards) => this.reopen(shards),
        },
      },
    );
  }

  /** Bytes of batches that came from proxies and went to them, since the start. */
  get traffic(): number {
    return this.bytes;
  }

  /** What waits for the lease to hold again. */
  get heldBytes(): number {
    return this.gate.heldBytes;
  }

  /** What of mirrored worlds has waited for their mirrors, and for how long together, in ms. */
  get mirrorWaits(): { readonly count: number; readonly ms: number } {
    return this.gate.waits;
  }

  /** Worlds that run here without memory, until somebody comes. */
  get asleep(): number {
    return this.sleeping.count;
  }

  /** The next part of their shards, for the control plane; undefined: there are none. */
  reportAsleep(): AsleepSlice | undefined {
    return this.sleeping.report();
  }

  get wakes(): Readonly<WakeFigures> {
    return this.sleeping.figures;
  }

  /** Takes links from here on. Proxies take the worlds that are open now for all there are. */
  async start(): Promise<void> {
    this.listener = await this.dependencies.links.listen((link) => this.accept(link));
    this.state = "ready";
  }

  get hosted(): readonly HostedWorld[] {
    return [...this.worlds.values()].map(({ hosted }) => hosted);
  }

  /** Loads a world and begins to tick. @throws OperatingError that says what to do. */
  async open(request: WorldRequest, baseDir: string): Promise<HostedWorld> {
    const shard = `${request.world}/0`;
    if (this.worlds.has(shard))
      throw new OperatingError("world-exists", `world ${request.world} runs here already`);
    if (this.worlds.size >= MAX_WORLDS)
      throw new OperatingError("too-many-worlds", `${MAX_WORLDS} worlds run here, the most`, {
        hint: "Put the world on another gameserver.",
      });
    const hosted = await this.openShard(this.settingsOf(request, baseDir));
    this.announceHosting();
    return hosted;
  }

  private settingsOf(request: WorldRequest, baseDir: string): WorldSettings {
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
    const { world, shard } = settings;
    const { losses } = this;
    this.gate.forget(shard);
    const opened = await this.pool.open(settings);
    if (losses !== this.losses)
      throw new OperatingError("ownership-lost", `world ${world} was given away while it opened`);
    return this.isOpen(settings, opened);
  }

  /** Opens a world that slept, at the epoch that it has. @throws OperatingError */
  private async wakeShard(shard: string, waking: WakingState): Promise<void> {
    const settings = this.worlds.get(shard)?.settings;
    if (settings === undefined)
      throw new OperatingError("unknown-world", `${shard} is not here any more`);
    await this.pool.open({
      ...{ ...settings, waking, fresh: false },
      ...{ recorded: undefined, fetched: undefined },
    });
  }

  private isOpen(settings: WorldSettings, { epoch, tickRate, definition }: Opened): HostedWorld {
    const { world, shard, file } = settings;
    const named = this.texts.share(definition);
    const hosted: HostedWorld = { world, shard, epoch, tickRate, definition: named, file };
    this.worlds.set(shard, { hosted, settings });
    for (const [peer, link] of this.peers) this.listen(peer, link, shard);
    const facts = { world, shard, epoch, tickRate, module: file };
    this.dependencies.logger.info("A world is open.", facts);
    this.dependencies.onPlaced(hosted);
    return hosted;
  }

  /**
   * Replaces a running world's module; players stay attached. @throws OperatingError when the new
   * module does not load or fit: the old one goes on.
   */
  async swap(world: string, file: string): Promise<void> {
    const entry = this.worlds.get(`${world}/0`);
    if (entry === undefined)
      throw new OperatingError("unknown-world", `world ${world} does not run here`);
    const { hosted, settings } = entry;
    await this.sleeping.awake(hosted.shard);
    settings.generation += 1;
    const ownership = await this.dependencies.control?.renew(hosted.shard);
    try {
      hosted.epoch = await this.pool.swap(hosted.shard, file, settings.generation, ownership);
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

  /** Shows a line for people to every client of a world. */
  notice(world: string, text: string): void {
    const hosted = this.worlds.get(`${world}/0`)?.hosted;
    if (hosted === undefined) return;
    const { shard, epoch } = hosted;
    const message = { type: "notice", shard, epoch, kind: "dev-error" } as const;
    this.sendToAll(shard, { ...message, text: clipText(text, MAX_NOTICE_BYTES) });
  }

  private sendToAll(shard: string, message: ToProxy): void {
    this.gate.send(shard, 0, () => this.broadcast(shardChannel(shard), message));
  }

  /** To every proxy that knows such messages. */
  private broadcast(channel: string, message: LinkMessage): void {
    for (const link of this.peers.values())
      if (link.speaks(message.type)) link.channel(channel).send(message);
  }

  // MovingWorlds

  get moving(): this {
    return this;
  }

  /** To the thread of a shard that runs here or is followed here. */
  tell(shard: string, message: ToThread): void {
    const send = () => this.pool.send(shard, message);
    if (this.sleeping.keep(shard, send, true) === "awake") send();
  }

  /** Has a world that sleeps opened, for nobody in particular. */
  wake(shard: string): void {
    this.sleeping.wake(shard);
  }

  /** To every proxy, behind all that the shard has let out; `told` is called then, if that comes. */
  tellProxies(message: ShardSealed | ShardUnsealed, told?: () => void): void {
    this.gate.send(message.shard, 0, () => {
      this.broadcast(shardChannel(message.shard), message);
      told?.();
    });
  }

  /** What the shard lets out waits for its mirror, until `releaseOutput` names its tick. */
  gateOutput(shard: string): void {
    this.gate.gate(shard);
  }

  releaseOutput(shard: string, tick: number): void {
    this.gate.release(shard, tick);
  }

  ungateOutput(shard: string): void {
    this.gate.ungate(shard);
  }

  /** Begins a replica of a world that runs elsewhere; another one of the same shard takes its place. */
  follow(request: WorldRequest, replica: Pick<ReplicaBegin, "state" | "source">): void {
    const settings = this.settingsOf(request, "");
    const { shard } = settings;
    const held = this.following.get(shard)?.held ?? new HeldMessages();
    this.following.set(shard, { settings, held });
    this.pool.follow({ type: "replica", settings, ...replica });
  }

  /** Drops the replica that is there; resolves once nothing of it is left. */
  unfollow(shard: string): Promise<void> {
    return this.pool.unfollow(shard);
  }

  /** No replica of it follows any more. */
  endFollowing(shard: string): void {
    const entry = this.following.get(shard);
    this.following.delete(shard);
    this.pool.endFollowing(shard);
    entry?.held.release();
  }

  /** The replica runs from now on, and proxies are told. @throws OperatingError: nothing of it is left then */
  async promote(shard: string, ownership: Ownership, dueMs: number): Promise<void> {
    const entry = this.following.get(shard);
    if (entry === undefined) throw new OperatingError("no-replica", `no replica of ${shard} here`);
    const { losses } = this;
    this.gate.forget(shard);
    // The switch has committed: what proxies send from now on is held until the shard runs, before its first tick.
    const { world } = entry.settings;
    const placed = { type: "placed", world, shard, epoch: ownership.epoch } as const;
    this.gate.send(shard, 0, () => this.broadcast(NODE_CHANNEL, placed));
    const opened = await this.pool.promote(shard, ownership, dueMs);
    if (losses !== this.losses) {
      await this.pool.close(shard);
      throw new OperatingError("ownership-lost", `the shard ${shard} was given away meanwhile`);
    }
    this.following.delete(shard);
    this.isOpen({ ...entry.settings, ownership }, opened);
    entry.held.release();
    this.announceHosting();
  }

  /** The shard is at a new epoch: proxies attach their clients anew. */
  private announce(hosted: HostedWorld): void {
    this.dependencies.onPlaced(hosted);
    const { shard, epoch } = hosted;
    this.sendToAll(shard, { type: "shard-reset", shard, epoch });
    this.announceHosting();
  }

  /**
   * What runs here, for proxies to route by: the whole list, on every link. Those of a control plane watch that instead:
   * with thousands of worlds, the list would cost more than opening them.
   */
  private announceHosting(): void {
    // Said again once it may be.
    if (this.dependencies.control !== undefined || !this.gate.isOpen) return;
    const message = this.hosting();
    for (const link of this.peers.values()) link.channel(NODE_CHANNEL).send(message);
  }

  private hosting(): Hosting {
    const worlds = this.hosted.map(({ world, shard, epoch }) => ({ world, shard, epoch }));
    return { type: "hosting", worlds };
  }

  private accept(link: Link): void {
    if (link.peer.role === "gameserver") return this.acceptGameserver(link);
    const peer = this.nextPeer++;
    const logger = this.dependencies.logger.child({ peer: link.peer.node, link: peer });
    logger.info("A proxy is linked.", { generation: link.generation });
    this.peers.set(peer, link);
    for (const shard of this.worlds.keys()) this.listen(peer, link, shard);
    const node = link.channel(NODE_CHANNEL);
    node.onMessage(({ type }) => this.refuse(link, `"${type}" is not for a gameserver`));
    if (this.gate.isOpen) node.send(this.hosting());
    link.closed.then(
      ({ code, detail }) => {
        this.peers.delete(peer);
        this.pool.broadcast({ type: "disconnect", peer });
        const level = code === "closed" ? "info" : "warn";
        logger[level](
          "A link to a proxy is gone.",
          detail === undefined ? { code } : { code, detail },
        );
      },
      (error: unknown) => logger.error("A link failed.", { error }),
    );
  }

  private acceptGameserver(link: Link): void {
    const { moves } = this.dependencies.control ?? {};
    if (moves !== undefined) return moves.accept(link);
    link.close({ code: "refused", detail: "worlds do not move to or from this gameserver" });
  }

  private listen(peer: number, link: Link, shard: string): void {
    // A link has one of these for each world: between messages it holds nothing.
    let batch: ToShard[] | undefined;
    let posted: (() => void)[] | undefined;
    const take = (message: LinkMessage): void => {
      if (!isToShard(message))
        return this.refuse(link, `"${message.type}" is not for a gameserver`, shard);
      if (this.dependencies.control !== undefined && !this.worlds.has(shard)) {
        const held = this.following.get(shard)?.held.hold(() => take(message)) ?? false;
        return held ? undefined : this.turnAway(link, message);
      }
      const opens = message.type === "attach" || message.type === "watch";
      const kept = this.sleeping.keep(shard, () => take(message), opens);
      if (kept === "full") return this.turnAway(link, message);
      if (kept !== "awake") return;
      let onward = message;
      if (message.type === "upstream" && message.trace !== undefined) {
        const place = { ...this.factsOf(shard), proxy: link.peer.node };
        const relayed = this.traces.receive(message, place);
        if (relayed === undefined) return this.refuse(link, "malformed trace marks", shard);
        onward = relayed.message;
        posted ??= [];
        posted.push(relayed.posted);
      }
      if (onward.type === "upstream") this.bytes += onward.batch.length;
      if (batch !== undefined) {
        batch.push(onward);
        return;
      }
      // One post per turn of the event loop, however many messages it brought.
      const messages = [onward];
      batch = messages;
      queueMicrotask(() => {
        batch = undefined;
        // Behind the word of the link's end, an attach would stay for ever.
        if (this.peers.has(peer))
          this.pool.send(shard, { type: "messages", shard, peer, messages });
        const ends = posted ?? [];
        posted = undefined;
        for (const end of ends) end();
      });
    };
    link.channel(shardChannel(shard)).onMessage(take);
  }

  /** The shard was here, and is not any more: proxies find out where it is. */
  private turnAway(link: Link, message: ToShard): void {
    if ((message.type !== "attach" && message.type !== "watch") || !this.gate.isOpen) return;
    const { shard, epoch, attach } = message;
    const reason = "the shard is not here any more";
    const code = "world-unavailable";
    link.channel(shardChannel(shard)).send({ type: "closed", shard, epoch, attach, code, reason });
  }

  private refuse(link: Link, detail: string, shard?: string): void {
    const peer = link.peer.node;
    this.dependencies.logger.error("A proxy broke the link protocol.", {
      peer,
      ...(shard === undefined ? {} : this.factsOf(shard)),
      detail,
    });
    link.close({ code: "bad-message", detail });
  }

  /** What every line about a shard says. */
  private factsOf(shard: string): { world: string; shard: string } {
    return { world: this.worlds.get(shard)?.hosted.world ?? shard, shard };
  }

  private receive(message: FromThread): void {
    switch (message.type) {
      case "out":
        this.gate.send(
          message.shard,
          bytesOf(message),
          () => {
            this.bytes += bytesOf(message);
            for (const { peer, message: out } of message.messages)
              this.peers.get(peer)?.channel(shardChannel(message.shard)).send(out);
          },
          message.tick,
        );
        return;
      case "request":
        this.gate.send(
          message.shard,
          REQUEST_BYTES,
          () => this.services.ask(message.shard, message, message.epoch),
          message.tick,
        );
        return;
      case "fault":
        this.reportFault(message);
        return;
      case "snapshot": {
        const { shard, snapshot, final } = message;
        const tell = () => this.dependencies.control?.written?.(shard, snapshot, final);
        // Recording it is a way of letting it out.
        if (this.gate.isGated(shard)) this.gate.send(shard, 0, tell, snapshot.tick);
        else tell();
        return;
      }
      case "log":
        this.dependencies.logger[message.level](message.message, message.facts);
        return;
      case "traces": {
        const { shard, epoch, traces } = message;
        this.traces.decided(this.factsOf(shard).world, shard, epoch, traces);
        return;
      }
      case "quiet": {
        const settings = this.worlds.get(message.shard)?.settings;
        // Without a control plane there is nobody to have it opened anew if it does not wake.
        if (settings?.ownership !== undefined) this.sleeping.quiet(settings.shard);
        return;
      }
      case "copy-begun":
      case "copy-piece":
      case "delta":
      case "sealed":
      case "replica-open":
      case "replica-at":
      case "replica-kept":
      case "failed":
        this.dependencies.control?.moves?.news(message);
        return;
      case "stats":
        // A thread's last word about a shard comes when its figures were forgotten already.
        this.dependencies.onStats(message.shards.filter(({ shard }) => this.worlds.has(shard)));
    }
  }

  private reportFault({ shard, fault, quarantined }: Extract<FromThread, { type: "fault" }>): void {
    const { world } = this.factsOf(shard);
    const { event, tick, kind, stack, session } = fault;
    const repeats = this.repeats.note(`${world} ${event} ${fault.message}`);
    if (repeats !== undefined) {
      this.dependencies.logger.error(`World ${world}, ${event} at tick ${tick}: ${fault.message}`, {
        world,
        shard,
        ...(session === undefined ? {} : { session }),
        event,
        tick,
        kind,
        stack,
        ...(repeats === 0 ? {} : { unreported: repeats }),
      });
    }
    this.dependencies.onFault(world, fault, repeats === undefined);
    if (quarantined)
      this.dependencies.logger.error(
        `World ${world} is stopped after repeated faults. Repair the module and restart the world.`,
        { world, shard },
      );
  }

  private reopen(shards: readonly string[]): void {
    const { control } = this.dependencies;
    if (control !== undefined) {
      control.moves?.died(shards, "its thread died");
      for (const shard of shards) if (this.drop(shard)) control.died(shard, "its thread died");
      this.announceHosting();
      return;
    }
    for (const shard of shards) {
      const entry = this.worlds.get(shard);
      if (entry === undefined) continue;
      const timer = setTimeout(() => {
        this.reopening.delete(timer);
        const lastEpoch = entry.hosted.epoch;
        this.openShard({ ...entry.settings, fresh: false, lastEpoch }).then(
          (hosted) => this.announce(hosted),
          (error: unknown) => {
            this.dependencies.logger.error("A world could not be opened again.", {
              ...this.factsOf(shard),
              error,
            });
            if (this.state === "starting" || this.state === "ready") this.reopen([shard]);
          },
        );
      }, REOPEN_DELAY_MS);
      this.reopening.add(timer);
    }
  }

  /** What a shard still had to say does not leave any more. False: it did not run here. */
  private drop(shard: string): boolean {
    this.gate.forget(shard);
    const found = this.worlds.delete(shard);
    this.sleeping.ended(shard);
    if (found) this.dependencies.control?.gone(shard);
    return found;
  }

  /** Part of its output is gone: it must not go on as if it had been said. */
  private spoiled(shard: string): void {
    const facts = this.factsOf(shard);
    this.dependencies.logger.error(
      "A world said more than is held while this node may not act; it is closed and opened again.",
      { ...facts, bound: MAX_HELD_BYTES_PER_SHARD },
    );
    this.restart(shard, "its output was more than is held while the node may not act");
  }

  /** Stops a world, for whoever gave it to this server to have it opened again. */
  private restart(shard: string, problem: string): void {
    const { control, logger } = this.dependencies;
    const facts = this.factsOf(shard);
    const found = this.worlds.delete(shard);
    this.sleeping.ended(shard);
    control?.gone(shard);
    const told = () => {
      if (found) control?.died(shard, problem);
    };
    this.pool.close(shard).then(told, (error: unknown) => {
      logger.error("A world was closed without its last state.", { ...facts, error });
      told();
    });
  }

  /**
   * Stops a world in order: nobody comes in any more, its last state is written, unless it was `handedOver` to another
   * node. Nothing to do when it does not run here.
   * @throws OperatingError when its state could not be written; it runs no more then, either.
   */
  async close(world: string, handedOver = false): Promise<void> {
    const shard = `${world}/0`;
    const { ownership } = this.worlds.get(shard)?.settings ?? {};
    const slept = this.sleeping.stateOf(shard);
    // What is on its way there or back is awake first: its last state is not known otherwise.
    if (slept === undefined) await this.sleeping.awake(shard);
    if (!this.worlds.delete(shard)) return;
    this.sleeping.ended(shard);
    if (slept !== undefined && ownership !== undefined)
      this.dependencies.control?.endedAsleep?.(shard, ownership, slept.tick);
    try {
      await this.pool.close(shard, handedOver);
    } finally {
      this.gate.forget(shard);
      this.dependencies.control?.gone(shard);
      this.announceHosting();
    }
  }

  /** Nothing leaves from here on, and no world ticks: the lease does not hold. */
  seal(): void {
    this.gate.seal();
    this.pool.seal(true);
  }

  /** The lease holds again, under the same registration. */
  unseal(): void {
    this.gate.unseal();
    this.pool.seal(false);
    this.announceHosting();
  }

  /**
   * Closes every world, and lets nothing out that it had to say: others may own them. Their states go to the
   * files of this node, where they are of use if it owns them again. Resolves when none runs.
   */
  async abandon(): Promise<void> {
    this.losses += 1;
    this.gate.lose();
    for (const shard of [...this.worlds.keys()]) this.drop(shard);
    const { shards } = this.pool;
    const results = await Promise.allSettled(shards.map((shard) => this.pool.close(shard)));
    for (const [index, result] of results.entries())
      if (result.status === "rejected")
        this.dependencies.logger.error("A world was closed without its last state.", {
          shard: shards[index],
          error: result.reason,
        });
    this.gate.reset();
  }

  /** Writes the state of every world. @throws the first failure, after all were tried. */
  async drain(): Promise<void> {
    if (this.state === "draining" || this.state === "stopped") return;
    this.state = "draining";
    this.sleeping.stop();
    for (const timer of this.reopening) clearTimeout(timer);
    const shards = [...this.worlds.keys()];
    const results = await Promise.allSettled(shards.map((shard) => this.pool.close(shard)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    const drained = await this.drain().then(
      () => undefined,
      (error: unknown) => error,
    );
    this.state = "stopped";
    await this.listener?.close();
    for (const link of this.peers.values()) link.close({ code: "closed" });
    await this.pool.stop();
    if (drained !== undefined) throw drained;
  }
}

function bytesOf({ messages }: Extract<FromThread, { type: "out" }>): number {
  let bytes = 0;
  for (const { message } of messages)
    bytes += MESSAGE_BYTES + (message.type === "downstream" ? message.batch.length : 0);
  return bytes;
}
