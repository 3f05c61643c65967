import type { SimProcess } from "@atlasnet/apiserver/sim";
import { type LinkNetwork, noopLogger } from "@atlasnet/core";
import type { SeededRandom } from "@atlasnet/core/sim";
import { createProxy, defaultLimits, type ProxyLimits, type ProxyService } from "@atlasnet/proxy";
import {
  type CarriedConnection,
  type ClientEvents,
  LoadMeter,
  Membership,
  PlacementFollower,
  WatchedPlacements,
} from "@atlasnet/proxy/sim";
import { createNoopMeter } from "@opentelemetry/api";
import type { ClusterFaults } from "../faults.ts";
import { ControlTie } from "./control-tie.ts";
import { simTicketKeys } from "./ticket-keys.ts";

/** So long a process that is told to end has for its clients to go elsewhere. */
const DRAIN_MS = 10_000;

/** Small, so that runs of a minute reach them. */
export const SIM_LIMITS: ProxyLimits = {
  ...defaultLimits,
  stateBacklogBytes: 256,
  reliableBacklogBytes: 1_024,
};
const NEVER_SLOW = { stateBacklogBytes: 1e9, reliableBacklogBytes: 1e9 };

export interface SimProxyOptions {
  readonly id: string;
  readonly leaseMs: number;
  readonly apiservers: readonly string[];
  /** Addresses of all proxies. */
  readonly endpoints: readonly string[];
}

export interface SimProxyDependencies {
  readonly process: SimProcess;
  readonly network: LinkNetwork;
  readonly random: SeededRandom;
  readonly faults: ClusterFaults;
  fatal(error: Error): void;
}

/** One life of a proxy: the real one, whose clients come by simulated connections instead of sockets. */
export class SimProxy {
  readonly id: string;
  readonly service: ProxyService;
  private readonly follower: PlacementFollower;
  private readonly membership: Membership;
  private readonly load: LoadMeter;
  private readonly tie: ControlTie;
  private readonly placements = new WatchedPlacements();

  constructor({ id, leaseMs, apiservers, endpoints }: SimProxyOptions, deps: SimProxyDependencies) {
    const { process: clock, network, random, faults } = deps;
    const logger = noopLogger;
    this.id = id;
    const fatal = (error: Error) => deps.fatal(error);
    const tie = new ControlTie(
      { self: { role: "proxy", node: id }, leaseMs, apiservers },
      { network, clock, random: random.fork("tie"), fatal },
    );
    this.tie = tie;
    const { placements } = this;
    this.follower = new PlacementFollower({
      ...{ store: tie.store, placements, clock, logger },
      random: random.fork("follower"),
    });
    this.membership = new Membership({ plane: tie.session, clock, logger, refused: fatal });
    this.service = createProxy(
      {
        node: id,
        ...{ host: "", port: 0, listens: false },
        allowGuests: true,
        endpoints,
        limits: faults.has("proxy-never-slow") ? { ...SIM_LIMITS, ...NEVER_SLOW } : SIM_LIMITS,
      },
      {
        ...{ links: network, placements, keys: simTicketKeys, clock, logger },
        random: random.fork("proxy"),
        meter: createNoopMeter(),
      },
    );
    const { counters } = this.service;
    this.load = new LoadMeter({ counters, clock, memoryBytes: () => 0 });
  }

  /** It knows where a world is. */
  knows(world: string): boolean {
    return this.placements.lookup(world) !== undefined;
  }

  async start(): Promise<void> {
    await this.service.start();
    this.membership.start(() => this.load.load());
    this.follower.start();
  }

  /** As on SIGTERM: its clients are asked to go on through another proxy before it ends. */
  async stop(): Promise<void> {
    this.membership.drain();
    await this.service.drain(DRAIN_MS);
    await this.membership.stop();
    this.follower.stop();
    await this.service.stop();
    await this.tie.session.stop();
    this.tie.stop();
  }

  /** Who listens to a new connection; undefined when there is no room for it. */
  accept(connection: CarriedConnection): { events: ClientEvents; leave(): void } | undefined {
    const place = this.service.admit(connection);
    return place && { events: place.enter(), leave: () => place.leave() };
  }
}
