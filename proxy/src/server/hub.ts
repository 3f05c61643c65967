import {
  type Clock,
  type HostedShard,
  type Link,
  type LinkMessage,
  type LinkNetwork,
  type LogFacts,
  type Logger,
  NODE_CHANNEL,
  type Placement,
  type PlacementChanges,
  type PlacementView,
  type PseudoRandom,
  shardChannel,
  type Timer,
} from "@atlasnet/core";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { type RouteEffect, Routes } from "../routing/routes.ts";
import { ShardPort } from "./shard-port.ts";

/** A gameserver that cannot be reached is tried again after this, doubled with every failure… */
const RETRY_MIN_MS = 100;
/** …up to this; each pause is shortened at random by up to half. */
const RETRY_MAX_MS = 2_000;
/** A link that is lost sooner was no success: the pauses go on growing. */
const STEADY_MS = 2_000;
/** Far above what it takes a proxy to hear of a new world. */
const NEW_WORLD_MS = 1_000;

/** One who waits for the owner of a world. */
export interface RoutedClient {
  routed(port: ShardPort): void;
  /** Nobody has said that there is such a world. */
  unknownWorld(): void;
  /** There is no such world any more, or it is not to run. */
  refused(why: "disabled" | "removed"): void;
}

export interface HubOptions {
  limits: ProxyLimits;
  /** Node ids of the gameservers that a link is kept to from `start` on. */
  peers: readonly string[];
  /**
   * Placements are what the gameservers announce: nobody is sent over a link before its list came, as
   * epochs of an earlier link say nothing after a restart from a backup.
   */
  announced: boolean;
}

export interface HubDependencies {
  links: LinkNetwork;
  placements: PlacementView;
  /** A gameserver said what it hosts: its whole list. */
  hosting(node: string, worlds: readonly HostedShard[]): void;
  clock: Clock;
  random: Pick<PseudoRandom, "float">;
  counters: ProxyCounters;
  logger: Logger;
}

interface OpenLink {
  link: Link;
  ports: Map<string, ShardPort>;
  /** It is open for clients. */
  open: boolean;
}

/** Links to gameservers and the shards behind them: the effects of `Routes`, performed. */
export class Hub {
  private readonly options: HubOptions;
  private readonly dependencies: HubDependencies;
  private readonly routes: Routes<RoutedClient>;
  private readonly links = new Map<string, OpenLink>();
  /** By node: the attempt to open a link to it, whose answer counts. One that was given up with its node may still be answered. */
  private readonly attempts = new Map<string, object>();
  /** Why a node cannot be reached, or what was wrong with the last link to it; none while one stands. */
  private readonly problems = new Map<string, string>();
  /** Nodes there was a link to. */
  private readonly met = new Set<string>();
  /** By node: the next look after a failure. */
  private readonly retries = new Map<string, Timer>();
  private readonly unwatch: () => void;
  private look: { readonly at: number; readonly timer: Timer } | undefined;
  private attaches = 0;
  private stopped = false;

  constructor(options: HubOptions, dependencies: HubDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.routes = new Routes<RoutedClient>(
      {
        peers: options.peers,
        retryMinMs: RETRY_MIN_MS,
        retryMaxMs: RETRY_MAX_MS,
        steadyMs: STEADY_MS,
        newWorldMs: NEW_WORLD_MS,
      },
      { random: dependencies.random },
    );
    for (const peer of options.peers) dependencies.counters.linksUp.set(peer, 0);
    this.unwatch = dependencies.placements.watch((changes) => this.placementsChanged(changes));
  }

  /** Opens the links to the peers; others are opened when somebody wants there. */
  start(): void {
    this.resolve();
  }

  /** What is wrong with a node's link, in words; undefined while nothing is known to be. */
  problem(node: string): string | undefined {
    return this.problems.get(node);
  }

  route(client: RoutedClient, world: string, notBefore: number): void {
    const { clock, placements } = this.dependencies;
    const now = clock.now();
    if (notBefore > now) this.lookAgain(notBefore);
    this.perform(this.routes.want(client, world, notBefore, now, placements));
  }

  /** One timer for all who wait for a time of their own: the earliest of them. */
  private lookAgain(at: number): void {
    if (this.look !== undefined && this.look.at <= at) return;
    const { clock } = this.dependencies;
    this.look?.timer.cancel();
    const timer = clock.setTimer(Math.max(0, at - clock.now()), () => {
      this.look = undefined;
      // Timers may come early: then once more.
      if (clock.now() < at) return this.lookAgain(at);
      this.resolve();
      const next = this.routes.nextTry(at);
      if (next !== undefined) this.lookAgain(next);
    });
    this.look = { at, timer };
  }

  unroute(client: RoutedClient): void {
    this.routes.forget(client);
  }

  /** Tries again what had to wait. */
  sweep(): void {
    if (this.routes.waitingCount > 0) this.resolve();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.unwatch();
    for (const timer of this.retries.values()) timer.cancel();
    this.retries.clear();
    this.look?.timer.cancel();
    for (const { link } of this.links.values()) link.close({ code: "closed" });
    this.links.clear();
  }

  private resolve(): void {
    const { clock, placements } = this.dependencies;
    this.perform(this.routes.resolve(clock.now(), placements));
  }

  private perform(effects: readonly RouteEffect<RoutedClient>[]): void {
    for (const effect of effects) {
      if (effect.type === "connect") this.connect(effect.node);
      else if (effect.type === "unknown-world") effect.client.unknownWorld();
      else if (effect.type === "refused") effect.client.refused(effect.why);
      else {
        const open = this.links.get(effect.placement.node);
        if (open !== undefined) {
          effect.client.routed(this.port(open, effect.placement));
          this.prepareMove(effect.placement.shard);
        }
        // An earlier effect of this round lost the link.
        else this.route(effect.client, effect.placement.world, 0);
      }
    }
  }

  private connect(node: string): void {
    const { links, clock, counters, logger } = this.dependencies;
    const attempt = {};
    this.attempts.set(node, attempt);
    const counts = () => {
      if (this.stopped || this.attempts.get(node) !== attempt) return false;
      return this.attempts.delete(node);
    };
    links.connect(node).then(
      (link) => {
        if (counts()) this.linkUp(node, link);
        else link.close({ code: "closed" });
      },
      (error: unknown) => {
        if (!counts()) return;
        counters.linkFailures += 1;
        const problem = error instanceof Error ? error.message : String(error);
        // It is tried for as long as it takes: the same reason is said once.
        if (this.problems.get(node) !== problem)
          logger.warn("cannot reach a gameserver; trying again", { peer: node, error });
        this.problems.set(node, problem);
        this.retry(node, this.routes.linkFailed(node, clock.now()));
      },
    );
  }

  private linkUp(node: string, link: Link): void {
    const { counters, logger } = this.dependencies;
    const again = this.met.has(node);
    if (again) counters.linkReconnects += 1;
    this.met.add(node);
    this.problems.delete(node);
    this.showLink(node, 1);
    logger.info(again ? "linked to a gameserver again" : "linked to a gameserver", { peer: node });
    const open = { link, ports: new Map<string, ShardPort>(), open: false };
    this.links.set(node, open);
    link.channel(NODE_CHANNEL).onMessage((message) => this.nodeMessage(node, link, message));
    link.closed.then(
      ({ code, detail }) => this.linkLost(node, link, code, detail),
      (error: unknown) => logger.error("a link ended without a reason", { peer: node, error }),
    );
    if (!this.options.announced) this.letIn(node, open);
  }

  private letIn(node: string, link: OpenLink): void {
    if (link.open) return;
    link.open = true;
    const { clock, placements } = this.dependencies;
    this.perform(this.routes.linkUp(node, clock.now(), placements));
  }

  private nodeMessage(node: string, link: Link, message: LinkMessage): void {
    // A list of a link that was lost meanwhile may be older than one that came since.
    const open = this.links.get(node);
    if (open?.link !== link) return;
    if (message.type === "hosting") {
      this.dependencies.hosting(node, message.worlds);
      return this.letIn(node, open);
    }
    if (message.type === "placed") {
      const { world, shard, epoch } = message;
      return this.dependencies.placements.placed?.({ world, shard, epoch, node });
    }
    this.broken(link, `"${message.type}" over the channel of the node`);
  }

  private broken(link: Link, detail: string, about: LogFacts = {}): void {
    const facts = { peer: link.peer.node, ...about, detail };
    this.dependencies.logger.error("a gameserver broke the link protocol", facts);
    link.close({ code: "bad-message", detail });
  }

  private linkLost(node: string, link: Link, code: string, detail = ""): void {
    const open = this.links.get(node);
    if (this.stopped || open?.link !== link) return;
    const { clock, counters, logger } = this.dependencies;
    counters.linkFailures += 1;
    this.showLink(node, 0);
    const facts = { peer: node, code, detail, shards: open.ports.size };
    logger.warn("a link to a gameserver is gone; its players wait", facts);
    this.problems.set(node, `its link ended: ${detail === "" ? code : detail}`);
    this.links.delete(node);
    const retryAt = this.routes.linkLost(node, clock.now());
    for (const port of open.ports.values()) port.close();
    this.retry(node, retryAt);
  }

  /** A node has one of these at a time: only a failure plans it, and only it leads to the next try. */
  private retry(node: string, at: number): void {
    const { clock } = this.dependencies;
    this.retries.get(node)?.cancel();
    const timer = clock.setTimer(Math.max(0, at - clock.now()), () => {
      // Timers may come early: then once more.
      if (clock.now() < at) return this.retry(node, at);
      this.retries.delete(node);
      this.resolve();
    });
    this.retries.set(node, timer);
  }

  private port(open: OpenLink, placement: Placement): ShardPort {
    const { world, shard, epoch } = placement;
    const existing = open.ports.get(shard);
    if (existing !== undefined) {
      existing.advance(epoch);
      return existing;
    }
    const { clock, counters, logger } = this.dependencies;
    const port = new ShardPort(
      { shard, epoch, limits: this.options.limits },
      {
        channel: open.link.channel(shardChannel(shard)),
        clock,
        counters,
        logger,
        nextAttach: () => ++this.attaches,
        broken: (detail) => this.broken(open.link, detail, { world, shard }),
        moving: (to) => this.prepareLink(to),
      },
    );
    open.ports.set(shard, port);
    return port;
  }

  private placementsChanged({ shards, worlds, gone }: PlacementChanges): void {
    for (const node of gone) this.unlink(node);
    for (const shard of shards) this.shardChanged(shard);
    if (worlds === "all") return this.resolve();
    const { clock, placements } = this.dependencies;
    this.perform(this.routes.moved(worlds, clock.now(), placements));
  }

  private shardChanged(shard: string): void {
    const placement = this.dependencies.placements.placementOf(shard);
    for (const [node, { ports }] of this.links) {
      const port = ports.get(shard);
      if (port === undefined) continue;
      if (this.options.announced) {
        // A shard without a placement may come back; its attachments last until its owner ends them.
        if (placement !== undefined) port.advance(placement.epoch);
      } else if (placement?.node === node) port.advance(placement.epoch);
      else port.disown();
    }
    this.prepareMove(shard);
  }

  /** A shard with clients here that is being moved, or mirrored: the link to where it goes stands when it gets there. */
  private prepareMove(shard: string): void {
    const { placements } = this.dependencies;
    const next = [placements.targetOf?.(shard), placements.mirrorOf?.(shard)];
    if (next.every((node) => node === undefined)) return;
    const hasClients = [...this.links.values()].some(
      ({ ports }) => (ports.get(shard)?.clientCount ?? 0) > 0,
    );
    if (!hasClients) return;
    for (const node of next) if (node !== undefined) this.prepareLink(node);
  }

  private prepareLink(node: string): void {
    this.perform(this.routes.prepare(node, this.dependencies.clock.now()));
  }

  /** The node went away for good, or elsewhere. Those who want to a shard of its next life link to it anew. */
  private unlink(node: string): void {
    this.routes.unlinked(node);
    this.attempts.delete(node);
    this.problems.delete(node);
    this.retries.get(node)?.cancel();
    this.retries.delete(node);
    const open = this.links.get(node);
    if (open === undefined) return;
    const facts = { peer: node, shards: open.ports.size };
    this.dependencies.logger.info("a gameserver is gone; its link is closed", facts);
    this.links.delete(node);
    this.showLink(node, 0);
    open.link.close({ code: "closed" });
    for (const port of open.ports.values()) port.close();
  }

  /** Without peers that are configured, every node is shown once there was a link: series do not go away. */
  private showLink(node: string, up: 0 | 1): void {
    const { linksUp } = this.dependencies.counters;
    if (!this.options.announced || linksUp.has(node)) linksUp.set(node, up);
  }
}
