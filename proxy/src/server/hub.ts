import type { Clock, Link, LinkNetwork, Logger, Placement, PlacementView } from "@atlasnet/core";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { type RouteEffect, Routes } from "../routing/routes.ts";
import { ShardPort } from "./shard-port.ts";

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/** One who waits for the owner of a world. */
export interface RoutedClient {
  routed(port: ShardPort): void;
  unknownWorld(): void;
}

export interface HubDependencies {
  links: LinkNetwork;
  placements: PlacementView;
  clock: Clock;
  counters: ProxyCounters;
  logger: Logger;
}

interface OpenLink {
  link: Link;
  ports: Map<string, ShardPort>;
}

/** Links to gameservers and the shards behind them: the effects of `Routes`, performed. */
export class Hub {
  private readonly limits: ProxyLimits;
  private readonly dependencies: HubDependencies;
  private readonly routes = new Routes<RoutedClient>({
    retryMinMs: RETRY_MIN_MS,
    retryMaxMs: RETRY_MAX_MS,
  });
  private readonly links = new Map<string, OpenLink>();
  private readonly lookup = (world: string): Placement | undefined =>
    this.dependencies.placements.lookup(world);
  private readonly unwatch: () => void;
  private attaches = 0;
  private stopped = false;

  constructor(limits: ProxyLimits, dependencies: HubDependencies) {
    this.limits = limits;
    this.dependencies = dependencies;
    this.unwatch = dependencies.placements.watch(() => this.placementsChanged());
  }

  route(client: RoutedClient, world: string, notBefore: number): void {
    const now = this.dependencies.clock.now();
    this.perform(this.routes.want(client, world, notBefore, now, this.lookup));
  }

  unroute(client: RoutedClient): void {
    this.routes.forget(client);
  }

  /** Tries again what had to wait. */
  sweep(now: number): void {
    if (this.routes.waitingCount > 0) this.perform(this.routes.resolve(now, this.lookup));
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.unwatch();
    for (const { link } of this.links.values()) link.close({ code: "closed" });
    this.links.clear();
  }

  private perform(effects: readonly RouteEffect<RoutedClient>[]): void {
    for (const effect of effects) {
      if (effect.type === "connect") this.connect(effect.node);
      else if (effect.type === "unknown-world") effect.client.unknownWorld();
      else {
        const open = this.links.get(effect.placement.node);
        if (open !== undefined) effect.client.routed(this.port(open, effect.placement));
        // An earlier effect of this round lost the link.
        else this.route(effect.client, effect.placement.world, 0);
      }
    }
  }

  private connect(node: string): void {
    const { links, clock, counters, logger } = this.dependencies;
    links.connect(node).then(
      (link) => {
        if (this.stopped) return link.close({ code: "closed" });
        this.links.set(node, { link, ports: new Map() });
        link.closed.then(
          (why) => this.linkLost(node, link, why.code),
          (error: unknown) => logger.error("a link ended without a reason", { node, error }),
        );
        this.perform(this.routes.linkUp(node, clock.now(), this.lookup));
      },
      (error: unknown) => {
        if (this.stopped) return;
        counters.linkFailures += 1;
        logger.warn("cannot reach a gameserver", { node, error });
        this.routes.linkFailed(node, clock.now());
      },
    );
  }

  private linkLost(node: string, link: Link, code: string): void {
    const open = this.links.get(node);
    if (this.stopped || open?.link !== link) return;
    this.dependencies.counters.linkFailures += 1;
    this.dependencies.logger.warn("a link to a gameserver is gone", { node, code });
    this.links.delete(node);
    this.routes.linkLost(node);
    for (const port of open.ports.values()) port.close();
  }

  private port(open: OpenLink, placement: Placement): ShardPort {
    const { shard, epoch } = placement;
    const existing = open.ports.get(shard);
    if (existing !== undefined) {
      existing.advance(epoch);
      return existing;
    }
    const { clock, counters, logger } = this.dependencies;
    const port = new ShardPort(
      { shard, epoch, limits: this.limits },
      {
        channel: open.link.channel(`shard:${shard}`),
        clock,
        counters,
        logger,
        nextAttach: () => ++this.attaches,
        broken: (detail) => {
          logger.error("a gameserver broke the link protocol", { shard, detail });
          open.link.close({ code: "bad-message", detail });
        },
      },
    );
    open.ports.set(shard, port);
    return port;
  }

  private placementsChanged(): void {
    const { clock, placements } = this.dependencies;
    const byShard = new Map(placements.list().map((placement) => [placement.shard, placement]));
    for (const { ports } of this.links.values())
      for (const [shard, port] of ports) {
        const placement = byShard.get(shard);
        // A shard without a placement may come back; its attachments last until its owner ends them.
        if (placement !== undefined) port.advance(placement.epoch);
      }
    this.perform(this.routes.resolve(clock.now(), this.lookup));
  }
}
