import inspector from "node:inspector";
import {
  type Config,
  type ControlPlane,
  type LinkNetwork,
  OperatingError,
  worldOfShard,
} from "@atlasnet/core";
import { lockDataDir, type ServiceHost } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createWorldHost, registerHostingMetrics } from "./cluster/create-world-host.ts";
import type { GameserverAddresses } from "./cluster/gameserver-addresses.ts";
import { kvServices, noKvServices } from "./cluster/kv-services.ts";
import { LoadMeter } from "./cluster/node-load.ts";
import type { WorldHost } from "./cluster/world-host.ts";
import { loadServices } from "./load-services.ts";
import { createMulticast } from "./multicast/create-multicast.ts";
import type { WorldFault } from "./server/fault-reports.ts";
import { DEFAULT_OUTBOX_BYTES, Gameserver, type GameserverOptions } from "./server/gameserver.ts";
import type { HostedWorld } from "./server/hosted-world.ts";
import { WorldMetrics } from "./world-metrics.ts";

export interface GameserverServiceOptions {
  readonly config: Config;
  /** Refuse the clock, Math.random and timers inside worlds; `atlasnet dev` sets it. */
  readonly development?: boolean | undefined;
  /** Worlds of the control plane that are to be open before the service is there. */
  readonly awaits?: readonly string[];
  /** Names of the worlds of the control plane, when others are not to be spoken of. */
  readonly catalogue?: readonly string[];
  /** Whoever creates it holds the lock of the data directory. */
  readonly dataDirIsHeld?: boolean;
}

export interface GameserverServiceDependencies {
  /** Parts of the gameserver are its parts: it stops them. */
  readonly host: ServiceHost;
  /** Where proxies come in. The network stays its creator's. */
  readonly links: LinkNetwork;
  /** Gives this gameserver its worlds. Absent: it runs those of its configuration. */
  readonly control?: ControlPlane | undefined;
  /** Where other gameservers are, to be filled in; absent: there are none, and worlds do not move while they run. */
  readonly others?: GameserverAddresses | undefined;
  /** Told of the faults of world code, of equal ones every few seconds. */
  onFault?(world: string, fault: WorldFault): void;
}

/** A running gameserver. Its host stops it. */
export interface GameserverService {
  readonly hosted: readonly HostedWorld[];
  /** Gives a running world a changed module; its players stay. @throws when the module does not fit. */
  swap(world: string, moduleFile: string): Promise<void>;
  /** Shows a line for people to every client of a world; an empty one takes it away. */
  notice(world: string, text: string): void;
  /**
   * Saves every world, and gives it back to whoever gave it; waits for their answer until the deadline at most.
   * @throws the first failure, after all were tried.
   */
  drain(deadlineMs?: number): Promise<void>;
}

/**
 * Everything a gameserver is, from a configuration: the lock of the data directory, the configured
 * worlds and what they ask of services, metrics, health checks, multicast. It takes links once every
 * world is open, so that nobody hears that a world is unknown which is only being restored.
 * @throws an error that says what to do.
 */
export async function createGameserverService(
  {
    config,
    development = false,
    awaits = [],
    catalogue,
    dataDirIsHeld = false,
  }: GameserverServiceOptions,
  dependencies: GameserverServiceDependencies,
): Promise<GameserverService> {
  const { host, links, control } = dependencies;
  if (!dataDirIsHeld) await holdDataDir(config, host);
  const metrics = new WorldMetrics(host.meter);
  addHealthChecks(host, metrics);
  // With a control plane any world may come here.
  const own = control === undefined ? config.worlds.map(({ name }) => name) : undefined;
  const multicast = createMulticast(config, host, control, catalogue ?? own);
  const load = new LoadMeter();
  const cluster =
    control &&
    (await createWorldHost(config, host, control, {
      links: dependencies.others === undefined ? undefined : links,
      onGone: (shard) => {
        metrics.forget(shard);
        load.forget(shard);
        multicast?.publisher.left({ world: worldOfShard(shard) ?? shard, shard });
      },
    }));
  if (cluster !== undefined) dependencies.others?.use(cluster);
  if (control === undefined) refuseStore(config);
  const services = control === undefined ? noKvServices() : kvServices(control.node, control.store);
  const gameserver = new Gameserver(gameserverOptions(config, development), {
    links: multicast === undefined ? links : bothOf(links, multicast.links),
    logger: host.logger,
    randomSeed: () => new DataView(systemRandom.bytes(8).buffer).getUint32(0),
    services: new Map([...services, ...(await loadServices(config.services))]),
    control: cluster,
    tracer: config.telemetry.otlpEndpoint === undefined ? undefined : host.tracer,
    onStats: (stats) => {
      metrics.record(stats);
      load.record(stats, systemClock.now());
      multicast?.publisher.record(stats);
    },
    onAsleep: (shard) => {
      metrics.forget(shard);
      load.forget(shard);
    },
    onPlaced: (world) => multicast?.publisher.placed(world),
    onFault: (world, fault, repeated) => {
      metrics.fault(world, fault.event);
      if (!repeated) dependencies.onFault?.(world, fault);
    },
  });
  host.part("gameserver", () => gameserver.stop());
  for (const world of config.worlds)
    await gameserver.open({ ...world, world: world.name, fresh: config.data.fresh }, world.from);
  await gameserver.start();
  if (multicast !== undefined) {
    host.part("multicast", () => multicast.publisher.stop());
    await multicast.publisher.start();
  }
  if (cluster !== undefined) {
    host.part("worlds", async () => cluster.stop());
    registerHostingMetrics(host.meter, cluster, gameserver);
    const opened = cluster.opened(awaits);
    // It listens already: its address is registered.
    const started = cluster.start(gameserver, () =>
      load.at(systemClock.now(), {
        bytes: gameserver.traffic,
        memoryBytes: process.memoryUsage.rss(),
      }),
    );
    await Promise.all([started, opened]);
  }
  return new Service(gameserver, cluster);
}

/** Without a cluster, nobody else could take a world over: epochs are the node's own, and nothing fences it. */
function refuseStore({ snapshot }: Config): void {
  if (snapshot.store === undefined) return;
  throw new OperatingError(
    "snapshot-store-alone",
    "snapshot.store: this gameserver belongs to no control plane, which would record its snapshots",
    {
      hint: "Remove it, and copy the data folder for a backup; or name the cluster's apiservers with --apiserver.",
    },
  );
}

class Service implements GameserverService {
  private readonly gameserver: Gameserver;
  private readonly cluster: WorldHost | undefined;

  constructor(gameserver: Gameserver, cluster: WorldHost | undefined) {
    this.gameserver = gameserver;
    this.cluster = cluster;
  }

  get hosted(): readonly HostedWorld[] {
    return this.gameserver.hosted;
  }

  async swap(world: string, moduleFile: string): Promise<void> {
    await this.gameserver.swap(world, moduleFile);
    this.cluster?.hasSwapped(world, moduleFile);
  }

  notice(world: string, text: string): void {
    this.gameserver.notice(world, text);
  }

  async drain(deadlineMs?: number): Promise<void> {
    await this.cluster?.drain(deadlineMs);
    await this.gameserver.drain();
  }
}

/** Takes the lock of the data directory for as long as the host lives. @throws OperatingError "data-dir-locked" */
export async function holdDataDir(config: Config, host: ServiceHost): Promise<void> {
  const lock = await lockDataDir(config.data.dir, {
    clock: systemClock,
    logger: host.logger,
    onLost: (error) => host.fatal("The lock of the data directory is lost; stopping.", error),
  });
  host.part("data directory", () => lock.release());
}

/** Ready: worlds run, the disk takes states. */
function addHealthChecks({ health }: ServiceHost, metrics: WorldMetrics): void {
  health.add({
    name: "storage",
    check: () => {
      const reason = metrics.storageProblem();
      return reason === undefined ? { ok: true } : { ok: false, reason };
    },
  });
  health.add({
    name: "worlds",
    check: () => {
      const stopped = metrics.quarantined();
      return stopped.length === 0
        ? { ok: true }
        : { ok: false, reason: `stopped after faults: ${stopped.join(", ")}` };
    },
  });
}

function gameserverOptions(config: Config, development: boolean): GameserverOptions {
  const { node, gameserver, data, snapshot, journal } = config;
  return {
    node: node.id,
    threads: gameserver.threads,
    outboxMessages: gameserver.outboxMessages,
    outboxBytes: DEFAULT_OUTBOX_BYTES,
    maxSessionsPerWorld: gameserver.maxSessionsPerWorld,
    thread: {
      dataDir: data.dir,
      // Nobody wants to be interrupted at a breakpoint.
      tickLimitMs: inspector.url() === undefined ? gameserver.tickLimitMs : 0,
      snapshotIntervalMs: snapshot.intervalMs,
      keepSnapshots: snapshot.keep,
      journalSyncMs: journal.syncMs,
      development,
    },
  };
}

/** Links of other processes, and of this one. */
function bothOf(others: LinkNetwork, own: LinkNetwork): LinkNetwork {
  return {
    connect: (node) => others.connect(node),
    listen: async (handler) => {
      const listeners = [await own.listen(handler), await others.listen(handler)];
      return {
        close: async () => {
          for (const listener of listeners) await listener.close();
        },
      };
    },
  };
}
