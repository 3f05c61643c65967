import type { IncomingMessage, ServerResponse } from "node:http";
import {
  type Clock,
  encodeAnnouncement,
  type GroupAddress,
  type LinkNetwork,
  type Logger,
  MULTICAST_VERSION,
  type Timer,
} from "@atlasnet/core";
import type { ShardStats } from "../host/protocol.ts";
import { FillEndpoint } from "./fill-endpoint.ts";
import { GroupSender } from "./group-sender.ts";
import { LoadFigures } from "./load-figures.ts";
import { MulticastStats } from "./multicast-stats.ts";
import { RateWindow } from "./rate-window.ts";
import { ShardStream } from "./shard-stream.ts";
import { WorldWatch } from "./world-watch.ts";

const ANNOUNCE_MS = 1_000;
/** Datagrams of topics per second; beyond it they are numbered and kept, but not sent. */
export const MAX_DATAGRAMS_PER_SECOND = 10_000;
/** Failures to send are said in the log once in so long. */
const COMPLAINT_MS = 60_000;

export interface MulticastOptions extends GroupAddress {
  /** The gameserver's node: the id in datagrams, and where its worlds are followed. */
  node: string;
  /** Address of the interface to send by; undefined: the system chooses. */
  interface: string | undefined;
  /** `WORLD/TOPIC`, each once. */
  topics: readonly string[];
  /** Follow topics that are not public, too. */
  allowPrivate: boolean;
  /** `host:port` that answers with `serve`; without a host, the address that datagrams come from. */
  tcp: string;
}

export interface MulticastDependencies {
  /** As a node of its own, beside the proxies. */
  links: LinkNetwork;
  clock: Clock;
  logger: Logger;
  /** Whether anything of a world may leave this node; default: always. */
  mayAct?: (() => boolean) | undefined;
}

/**
 * Sends a gameserver's figures and the changes of chosen topics to a multicast group: one datagram for
 * any number of watchers (docs/multicast.md).
 */
export class MulticastPublisher {
  readonly stats = new MulticastStats();
  private readonly options: MulticastOptions;
  private readonly dependencies: MulticastDependencies;
  private readonly figures = new LoadFigures();
  private readonly sender: GroupSender;
  private readonly stream: ShardStream;
  private readonly endpoint: FillEndpoint;
  private readonly worlds = new Map<string, WorldWatch>();
  private readonly rate = new RateWindow(MAX_DATAGRAMS_PER_SECOND);
  private timer: Timer | undefined;
  private announceAt = 0;
  private lastRun = 0;
  private attaches = 0;
  private complainedAt = Number.NEGATIVE_INFINITY;
  private state: "new" | "ready" | "stopped" = "new";

  constructor(options: MulticastOptions, dependencies: MulticastDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    const { group, port } = options;
    this.sender = new GroupSender(
      { group, port, interface: options.interface },
      { failed: (error) => this.failed(error) },
    );
    this.stream = new ShardStream(options.node, dependencies);
    this.endpoint = new FillEndpoint({
      clock: dependencies.clock,
      stats: this.stats,
      world: (name) => this.worlds.get(name),
      mayAct: () => this.mayAct,
    });
    for (const [world, topics] of byWorld(options.topics)) {
      const watch = this.newWatch(world, topics);
      this.worlds.set(world, watch);
      this.stream.add(`${world}/0`, watch);
    }
  }

  private newWatch(world: string, topics: readonly string[]): WorldWatch {
    const { clock, logger } = this.dependencies;
    return new WorldWatch(
      { server: this.options.node, world, topics, authorized: this.options.allowPrivate },
      {
        clock,
        toShard: (message) => this.stream.send(message),
        publish: (datagrams) => this.publish(datagrams),
        tooLarge: () => {
          this.stats.tooLarge += 1;
        },
        nextAttach: () => ++this.attaches,
        nextRun: () => {
          this.lastRun = Math.max(this.lastRun + 1, clock.wallTime());
          return this.lastRun;
        },
        refused: (topic, reason) =>
          logger.warn(
            `gameserver.multicast.topics: ${world}/${topic} cannot be followed: ${reason}`,
            { world, topic },
          ),
      },
    );
  }

  /** Sends from now on. @throws OperatingError when the interface cannot be sent by. */
  async start(): Promise<void> {
    if (this.state !== "new") throw new Error("a publisher is started once");
    await this.sender.start();
    this.state = "ready";
    await this.stream.start();
    this.announceAt = this.dependencies.clock.now();
    this.announce();
  }

  /** A shard is at a (new) epoch. */
  placed({ world, shard, epoch }: { world: string; shard: string; epoch: number }): void {
    this.figures.forget(shard);
    this.worlds.get(world)?.placed(shard, epoch);
  }

  /** A shard runs here no more: nothing of it is sent from here, nor told to those who ask. */
  left({ world, shard }: { world: string; shard: string }): void {
    this.figures.forget(shard);
    this.worlds.get(world)?.lost();
  }

  /** What the worlds report once a second. */
  record(stats: readonly ShardStats[]): void {
    this.figures.record(stats, this.dependencies.clock.now());
  }

  /** Answers watchers that missed something; for GET requests below `/multicast`. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    this.endpoint.handle(request, response);
  }

  private announce(): void {
    if (this.state !== "ready") return;
    const { clock } = this.dependencies;
    const { stats } = this;
    const { worlds, ...totals } = this.figures.at(clock.now());
    stats.announcements += 1;
    this.send(
      encodeAnnouncement({
        v: MULTICAST_VERSION,
        server: this.options.node,
        seq: stats.announcements,
        ...totals,
        worlds,
        more_worlds: 0,
        tcp: this.options.tcp,
      }),
    );
    for (const watch of this.worlds.values()) this.publish(watch.signsOfLife());
    // Seconds that a stopped process slept through are left out.
    const now = clock.now();
    this.announceAt = Math.max(this.announceAt + ANNOUNCE_MS, now);
    this.timer = clock.setTimer(this.announceAt - now, () => this.announce());
  }

  private get mayAct(): boolean {
    return this.dependencies.mayAct?.() ?? true;
  }

  private publish(datagrams: readonly Uint8Array[]): void {
    // Numbered and kept: whoever missed them asks for them later.
    if (!this.mayAct) return;
    const now = this.dependencies.clock.now();
    for (const datagram of datagrams) {
      if (this.rate.take(now)) {
        this.stats.datagrams += 1;
        this.send(datagram);
      } else this.stats.heldBack += 1;
    }
  }

  private send(datagram: Uint8Array): void {
    this.stats.bytes += datagram.length;
    this.sender.send(datagram);
  }

  private failed(error: Error): void {
    this.stats.sendErrors += 1;
    const now = this.dependencies.clock.now();
    if (now - this.complainedAt < COMPLAINT_MS) return;
    this.complainedAt = now;
    const { group, port } = this.options;
    this.dependencies.logger.warn(
      "Multicast cannot be sent; gameserver.multicast.interface names the interface to send by.",
      { group, port, error },
    );
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    this.state = "stopped";
    this.timer?.cancel();
    this.stream.stop();
    await this.sender.stop();
  }
}

function byWorld(topics: readonly string[]): Map<string, string[]> {
  const worlds = new Map<string, Set<string>>();
  for (const text of topics) {
    const slash = text.indexOf("/");
    const world = text.slice(0, slash);
    const names = worlds.get(world) ?? new Set();
    names.add(text.slice(slash + 1));
    worlds.set(world, names);
  }
  return new Map([...worlds].map(([world, names]) => [world, [...names]]));
}
