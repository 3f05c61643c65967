import { readFile } from "node:fs/promises";
import inspector from "node:inspector";
import { type Config, InProcessNetwork, type Logger, OperatingError } from "@atlasnet/core";
import {
  createLogger,
  HealthServer,
  loadOrCreateKeyFile,
  loadOrCreateUdpKey,
  registerLinkMetrics,
  registerProcessMetrics,
  systemClock,
  systemRandom,
  Telemetry,
} from "@atlasnet/core/node";
import {
  type DataDirLock,
  DEFAULT_OUTBOX_BYTES,
  Gameserver,
  type HostedWorld,
  lockDataDir,
  type MulticastPublisher,
  type WorldFault,
} from "@atlasnet/gameserver";
import { createProxy, defaultLimits, type ProxyService } from "@atlasnet/proxy";
import { LocalPlacements } from "./local-placements.ts";
import { createMulticast } from "./multicast.ts";
import { PageServer } from "./pages/page-server.ts";
import { loadServices } from "./services.ts";
import { version } from "./version.ts";
import { WorldMetrics } from "./world-metrics.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where players connect: TCP at `port`, and UDP where `udpPort` names its port. */
export interface PlayersAddress extends HostPort {
  readonly udpPort?: number | undefined;
}

export interface MonolithOptions {
  config: Config;
  /** Refuse the clock, Math.random and timers inside worlds; `atlasnet dev` sets it. */
  development?: boolean;
}

export interface MonolithDependencies {
  /** Default: pino on standard error, as configured. */
  logger?: Logger;
  /** The server must not go on (another process took its data); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Told of the faults of world code, of equal ones every few seconds. */
  onFault?(world: string, fault: WorldFault): void;
}

/** A whole AtlasNet server in this process. */
export interface AtlasNetServer {
  /** Opens every world and lets players in. @throws an error that says what to do. */
  start(): Promise<void>;
  /** Lets nobody in any more, tells the players, saves the worlds; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends everything. Idempotent. */
  stop(): Promise<void>;
  /** Complete once `start` resolved. */
  readonly addresses: { players: PlayersAddress; health: HostPort; pages: HostPort | undefined };
  /** Gives a running world a changed module; its players stay. @throws when the module does not fit. */
  swap(world: string, moduleFile: string): Promise<void>;
  /** Shows a line for people to every client of a world; an empty one takes it away. */
  notice(world: string, text: string): void;
}

export function createMonolith(
  options: MonolithOptions,
  dependencies: MonolithDependencies = {},
): AtlasNetServer {
  return new Monolith(options, dependencies);
}

/** What is started, in order; stopped in reverse. */
interface Part {
  name: string;
  stop(): Promise<void>;
}

class Monolith implements AtlasNetServer {
  private readonly config: Config;
  private readonly options: MonolithOptions;
  private readonly dependencies: MonolithDependencies;
  private readonly parts: Part[] = [];
  private readonly placements = new LocalPlacements();
  private logger: Logger | undefined;
  private gameserver: Gameserver | undefined;
  private multicast: MulticastPublisher | undefined;
  private proxy: ProxyService | undefined;
  private pages: PageServer | undefined;
  private health: HealthServer | undefined;
  private state: "new" | "starting" | "ready" | "draining" | "stopped" = "new";

  constructor(options: MonolithOptions, dependencies: MonolithDependencies) {
    this.config = options.config;
    this.options = options;
    this.dependencies = dependencies;
  }

  async start(): Promise<void> {
    if (this.state !== "new") throw new Error("a monolith is started once");
    this.state = "starting";
    try {
      await this.startParts();
      this.state = "ready";
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  private async startParts(): Promise<void> {
    const { config } = this;
    const node = config.node.id;
    const logger =
      this.dependencies.logger ??
      (await createLogger({ level: config.log.level, format: config.log.format, facts: { node } }));
    this.logger = logger;
    const lock = await lockDataDir(config.data.dir, {
      clock: systemClock,
      logger,
      onLost: (error) => {
        logger.error("The lock of the data directory is lost; stopping.", { error });
        this.dependencies.onFatal?.(error);
      },
    });
    this.started("data directory", () => releaseLock(lock));
    const { keys } = await loadOrCreateKeyFile(config.tickets.keyFile);

    const { otlpEndpoint } = config.telemetry;
    const telemetry = new Telemetry({
      service: "atlasnet",
      version,
      node,
      ...(otlpEndpoint === undefined ? {} : { otlpEndpoint }),
    });
    await telemetry.start();
    this.started("telemetry", () => telemetry.stop());
    const meter = telemetry.meter("atlasnet");
    const metrics = new WorldMetrics(meter);

    const health = await this.startHealth(telemetry, metrics);
    const links = new InProcessNetwork();
    registerLinkMetrics(meter, links.stats, "in-process");
    registerProcessMetrics(meter);
    const multicast = createMulticast(config, { links, health, logger, meter });
    this.multicast = multicast;
    const gameserver = new Gameserver(this.gameserverOptions(), {
      links: links.node({ role: "gameserver", node }),
      logger,
      randomSeed: () => new DataView(systemRandom.bytes(8).buffer).getUint32(0),
      services: await loadServices(config.services),
      onStats: (stats) => {
        metrics.record(stats);
        multicast?.record(stats);
      },
      onPlaced: (world) => this.place(world),
      onFault: (world, fault, repeated) => {
        metrics.fault(world, fault.event);
        if (!repeated) this.dependencies.onFault?.(world, fault);
      },
    });
    this.gameserver = gameserver;
    this.started("gameserver", () => gameserver.stop());
    await gameserver.start();
    if (multicast !== undefined) {
      this.started("multicast", () => multicast.stop());
      await multicast.start();
    }
    for (const world of config.worlds)
      await gameserver.open({ ...world, world: world.name, fresh: config.data.fresh }, world.from);

    const proxy = createProxy(await this.proxyOptions(), {
      links: links.node({ role: "proxy", node: `${node}/proxy` }),
      placements: this.placements,
      keys,
      clock: systemClock,
      random: systemRandom,
      logger,
      meter,
      tracer: telemetry.tracer("atlasnet"),
    });
    this.proxy = proxy;
    this.started("proxy", () => proxy.stop());
    await proxy.start();
    await this.startPages(gameserver.hosted);
  }

  private started(name: string, stop: () => Promise<void>): void {
    this.parts.push({ name, stop });
  }

  /** Ready: the proxy listens, worlds run, the disk takes states. */
  private async startHealth(telemetry: Telemetry, metrics: WorldMetrics): Promise<HealthServer> {
    const { host, port } = this.config.health;
    const health = new HealthServer(
      { host, port },
      { serveMetrics: (request, response) => telemetry.serveMetrics(request, response) },
    );
    this.health = health;
    this.started("health", () => health.stop());
    health.add({ name: "started", check: () => this.readiness() });
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
    await health.start();
    return health;
  }

  private readiness() {
    return this.state === "ready"
      ? ({ ok: true } as const)
      : ({ ok: false, reason: `the server is ${this.state}` } as const);
  }

  private async startPages(worlds: readonly HostedWorld[]): Promise<void> {
    const { http } = this.config;
    if (!http.enabled) return;
    const pages = new PageServer(
      {
        host: http.host,
        port: http.port,
        ...(http.staticDir === undefined ? {} : { staticDir: http.staticDir }),
        playersPort: this.addresses.players.port,
        secure: this.config.proxy.tls.cert !== undefined,
        worlds: worlds.map(({ world, file }) => ({ world, file })),
      },
      { logger: this.mustLog() },
    );
    this.pages = pages;
    this.started("pages", () => pages.stop());
    await pages.start();
  }

  private mustLog(): Logger {
    if (this.logger === undefined) throw new Error("the logger comes first");
    return this.logger;
  }

  private gameserverOptions() {
    const { config } = this;
    return {
      node: config.node.id,
      threads: config.gameserver.threads,
      outboxMessages: config.gameserver.outboxMessages,
      outboxBytes: DEFAULT_OUTBOX_BYTES,
      maxSessionsPerWorld: config.gameserver.maxSessionsPerWorld,
      thread: {
        dataDir: config.data.dir,
        // Nobody wants to be interrupted at a breakpoint.
        tickLimitMs: inspector.url() === undefined ? config.gameserver.tickLimitMs : 0,
        snapshotIntervalMs: config.snapshot.intervalMs,
        keepSnapshots: config.snapshot.keep,
        journalSyncMs: config.journal.syncMs,
        development: this.options.development ?? false,
      },
    };
  }

  private async proxyOptions() {
    const { proxy, node } = this.config;
    const { messageBurst, byteBurst, ...limits } = proxy.limits;
    return {
      node: node.id,
      host: proxy.host,
      port: proxy.port,
      allowGuests: proxy.allowGuests,
      endpoints: [],
      limits: { ...defaultLimits, ...limits, messagesBurst: messageBurst, bytesBurst: byteBurst },
      ...(await readCertificate(proxy.tls)),
      ...(await readUdp(proxy.udp)),
    };
  }

  private place({ world, shard, epoch }: HostedWorld): void {
    this.placements.place({ world, shard, epoch, node: this.config.node.id });
    this.multicast?.placed({ world, shard, epoch });
  }

  get addresses() {
    return {
      players: {
        host: this.config.proxy.host,
        port: portOf(this.proxy?.addresses[0]) ?? this.config.proxy.port,
        udpPort: this.proxy?.udpEndpoint?.port,
      },
      health: {
        host: this.config.health.host,
        port: this.health?.boundPort ?? this.config.health.port,
      },
      pages: this.pages?.address,
    };
  }

  async swap(world: string, moduleFile: string): Promise<void> {
    await this.gameserver?.swap(world, moduleFile);
  }

  notice(world: string, text: string): void {
    this.gameserver?.notice(world, text);
  }

  async drain(deadlineMs: number): Promise<void> {
    if (this.state !== "ready") return;
    this.state = "draining";
    this.health?.drain();
    await this.proxy?.drain(deadlineMs);
    await this.gameserver?.drain();
  }

  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    this.state = "stopped";
    let failure: unknown;
    for (const part of this.parts.splice(0).reverse()) {
      try {
        await part.stop();
      } catch (error) {
        failure ??= error;
        this.logger?.error(`The ${part.name} did not stop in order.`, { error });
      }
    }
    if (failure !== undefined) throw failure;
  }
}

async function releaseLock(lock: DataDirLock): Promise<void> {
  await lock.release();
}

function portOf(address: string | undefined): number | undefined {
  return address === undefined ? undefined : Number(address.slice(address.lastIndexOf(":") + 1));
}

async function readUdp(udp: Config["proxy"]["udp"]) {
  if (!udp.enabled) return {};
  const { port, handshakesPerSecond } = udp;
  const { key } = await loadOrCreateUdpKey(udp.keyFile);
  return { udp: { privateKey: key.privateKey, port, handshakesPerSecond } };
}

async function readCertificate(tls: { cert?: string | undefined; key?: string | undefined }) {
  if (tls.cert === undefined || tls.key === undefined) return {};
  const read = async (setting: string, file: string) => {
    try {
      return await readFile(file, "utf8");
    } catch (cause) {
      throw new OperatingError("unreadable-file", `${setting}: ${file} cannot be read`, {
        cause,
        hint: "Check the path and that this user may read it.",
      });
    }
  };
  return {
    tls: {
      cert: await read("proxy.tls.cert", tls.cert),
      key: await read("proxy.tls.key", tls.key),
    },
  };
}
