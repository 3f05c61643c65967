import type { AsleepSlice, Clock, Link, LinkListener, LinkNetwork, Logger } from "@atlasnet/core";
import { clipText, MAX_NOTICE_BYTES } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import type { Tracer } from "@opentelemetry/api";
import type {
  FromThread,
  ReplicaSourceFacts,
  ShardStats,
  ThreadSettings,
} from "../host/protocol.ts";
import { type StartWorker, ThreadPool } from "../host/thread-pool.ts";
import { FaultReports, type WorldFault } from "./fault-reports.ts";
import type { GameserverControl } from "./gameserver-control.ts";
import {
  factsOf,
  type HostedEntry,
  type HostedWorld,
  type KeptWorld,
  type WorldRequest,
} from "./hosted-world.ts";
import { MovingShards } from "./moving-shards.ts";
import { MAX_HELD_BYTES_PER_SHARD, OutGate } from "./out-gate.ts";
import { ProxyLinks } from "./proxy-links.ts";
import { type Service, Services } from "./services.ts";
import { ShardLifecycle } from "./shard-lifecycle.ts";
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

/** Outboxes and queues are bounded by these unless configured otherwise. */
export const DEFAULT_OUTBOX_BYTES = 1024 * 1024;
/** What a request weighs while it is held, as a rule. */
const REQUEST_BYTES = 1024;

/**
 * A gameserver: it hosts worlds on threads and connects them to proxies. It moves messages and makes
 * no decisions about players; those are the shards'.
 */
export class Gameserver {
  private readonly dependencies: GameserverDependencies;
  private readonly worlds = new Map<string, HostedEntry>();
  private readonly pool: ThreadPool;
  private readonly gate: OutGate;
  private readonly sleeping: SleepingWorlds;
  private readonly services: Services;
  private readonly traces: TraceRelay;
  private readonly faults: FaultReports;
  private readonly proxies: ProxyLinks;
  private readonly shards: ShardLifecycle;
  /** For whoever moves worlds between this gameserver and others, or mirrors them. */
  readonly moving: MovingShards;
  private listener: LinkListener | undefined;
  private state: "running" | "draining" | "stopped" = "running";

  constructor(options: GameserverOptions, dependencies: GameserverDependencies) {
    const { logger, control, clock = systemClock } = dependencies;
    this.dependencies = dependencies;
    const { worlds } = this;
    this.services = new Services(dependencies.services, (shard, response) =>
      this.moving.tell(shard, { type: "response", shard, response }),
    );
    this.sleeping = new SleepingWorlds({
      ...{ clock, logger },
      sleep: (shard) => this.pool.sleep(shard),
      wake: (shard, waking) => this.shards.wake(shard, waking),
      lost: (shard, problem) => this.shards.died([shard], problem),
      onAsleep: (shard) => dependencies.onAsleep?.(shard),
    });
    this.gate = new OutGate(
      {},
      {
        mayAct: () => control?.mayAct() ?? true,
        overflowed: (shard) => this.spoiled(shard),
        crowded: (shard, held) => this.pool.send(shard, { type: "hold-shard", shard, held }),
        now: () => clock.now(),
      },
    );
    this.traces = new TraceRelay({
      tracer: dependencies.tracer,
      unixMs: () => performance.timeOrigin + performance.now(),
    });
    this.faults = new FaultReports({
      logger,
      onFault: (world, fault, repeated) => dependencies.onFault(world, fault, repeated),
      now: () => performance.now(),
    });
    this.pool = new ThreadPool(
      { threads: options.threads, settings: options.thread },
      {
        logger,
        clock,
        startWorker: dependencies.startWorker,
        events: {
          message: (message) => this.receive(message),
          died: (shards) => {
            control?.moves?.died(shards, "its thread died");
            this.shards.threadDied(shards);
          },
        },
      },
    );
    const { pool, gate, sleeping, traces } = this;
    this.proxies = new ProxyLinks(
      { isPlaced: control !== undefined },
      {
        ...{ worlds, threads: pool, gate, sleeping, traces, logger },
        hold: (shard, take) => this.moving.hold(shard, take),
      },
    );
    const { proxies } = this;
    this.shards = new ShardLifecycle(options, {
      ...{ worlds, pool, gate, sleeping, proxies, logger, control },
      randomSeed: () => dependencies.randomSeed(),
      onPlaced: (world) => dependencies.onPlaced(world),
    });
    this.moving = new MovingShards({ pool, gate, sleeping, proxies, shards: this.shards });
  }

  /** Bytes of batches that came from proxies and went to them, since the start. */
  get traffic(): number {
    return this.proxies.traffic;
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
  }

  private accept(link: Link): void {
    if (link.peer.role !== "gameserver") return this.proxies.accept(link);
    const { moves } = this.dependencies.control ?? {};
    if (moves !== undefined) return moves.accept(link);
    link.close({ code: "refused", detail: "worlds do not move to or from this gameserver" });
  }

  get hosted(): readonly HostedWorld[] {
    return [...this.worlds.values()].map(({ hosted }) => hosted);
  }

  /** Loads a world and begins to tick. @throws OperatingError that says what to do. */
  open(request: WorldRequest, baseDir: string): Promise<HostedWorld> {
    return this.shards.open(request, baseDir);
  }

  /**
   * Replaces a running world's module; players stay attached. @throws OperatingError when the new
   * module does not load or fit: the old one goes on.
   */
  swap(world: string, file: string): Promise<void> {
    return this.shards.swap(world, file);
  }

  /** Shows a line for people to every client of a world. */
  notice(world: string, text: string): void {
    const hosted = this.worlds.get(`${world}/0`)?.hosted;
    if (hosted === undefined) return;
    const { shard, epoch } = hosted;
    const message = { type: "notice", shard, epoch, kind: "dev-error" } as const;
    this.proxies.sendToAll({ ...message, text: clipText(text, MAX_NOTICE_BYTES) });
  }

  /** Has a world that sleeps opened, for nobody in particular. */
  wake(shard: string): void {
    this.sleeping.wake(shard);
  }

  private receive(message: FromThread): void {
    switch (message.type) {
      case "out":
        return this.proxies.send(message);
      case "request":
        this.gate.send(
          message.shard,
          REQUEST_BYTES,
          () => this.services.ask(message.shard, message, message.epoch),
          message.tick,
        );
        return;
      case "fault":
        return this.faults.report(factsOf(this.worlds, message.shard).world, message);
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
        this.traces.decided(factsOf(this.worlds, shard).world, shard, epoch, traces);
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

  /** Part of its output is gone: it must not go on as if it had been said. */
  private spoiled(shard: string): void {
    this.dependencies.logger.error(
      "A world said more than is held while this node may not act; it is closed and opened again.",
      { ...factsOf(this.worlds, shard), bound: MAX_HELD_BYTES_PER_SHARD },
    );
    this.shards.restart(shard, "its output was more than is held while the node may not act");
  }

  /**
   * Stops a world in order: nobody comes in any more, its last state is written, unless it was `handedOver` to another
   * node. Nothing to do when it does not run here. `keep`: it is followed here from then on, if it was sealed for a move;
   * what it is then. Whoever asks for that lets it go by `moving`.
   * @throws OperatingError when its state could not be written; it runs no more then, either.
   */
  async close(
    world: string,
    handedOver = false,
    keep?: ReplicaSourceFacts,
  ): Promise<KeptWorld | undefined> {
    const left = await this.shards.close(world, handedOver, keep);
    return left && this.moving.keep(left);
  }

  /** Nothing leaves from here on, and no world ticks but those that need no lease: it does not hold. */
  seal(): void {
    this.gate.seal();
    this.pool.seal(true);
    // Those that ran elsewhere when they were told have not heard of it.
    for (const shard of this.gate.unleased) this.moving.actUnleased(shard, true);
  }

  /** The lease holds again, under the same registration. */
  unseal(): void {
    this.gate.unseal();
    this.pool.seal(false);
    this.proxies.announceHosting();
  }

  /**
   * Closes every world, and lets nothing out that it had to say: others may own them. Their states go to the
   * files of this node, where they are of use if it owns them again. Resolves when none runs.
   */
  abandon(): Promise<void> {
    return this.shards.abandon();
  }

  /** Writes the state of every world. @throws the first failure, after all were tried. */
  async drain(): Promise<void> {
    if (this.state === "draining" || this.state === "stopped") return;
    this.state = "draining";
    this.sleeping.stop();
    await this.shards.end();
  }

  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    const drained = await this.drain().then(
      () => undefined,
      (error: unknown) => error,
    );
    this.state = "stopped";
    await this.listener?.close();
    this.proxies.close();
    await this.pool.stop();
    if (drained !== undefined) throw drained;
  }
}
