import type { Server, Socket } from "node:net";
import type { Logger, PlacementView, Timer, UdpEndpoint } from "@atlasnet/core";
import { createServerIdentity } from "@atlasnet/udp/node";
import { trace } from "@opentelemetry/api";
import type { ClientConnection, ClientEvents } from "../gateway/client-connection.ts";
import { UdpGateway, type UdpPlace } from "../gateway/udp/udp-gateway.ts";
import { observeProxy, ProxyCounters } from "../metrics.ts";
import { AnnouncedPlacements } from "../routing/announced-placements.ts";
import { Door, type Rooms } from "./door.ts";
import { Hub } from "./hub.ts";
import { MessageTracer } from "./message-tracer.ts";
import { openPorts } from "./open-ports.ts";
import type {
  CarriedConnection,
  ProxyDependencies,
  ProxyOptions,
  ProxyReadiness,
  ProxyService,
} from "./proxy-service.ts";
import { sendAway } from "./send-away.ts";
import { SessionRooms } from "./session-rooms.ts";
import { Stalls } from "./stalls.ts";
import type { Visitor } from "./visitor.ts";
import { Visitors } from "./visitors.ts";

/** Idle, handshake and rate limits are looked at this often, with one timer for all connections. */
const SWEEP_MS = 250;
/** With less time than this to drain nobody is asked to go elsewhere: all are closed, and come back by themselves. */
const MIN_MOVE_DEADLINE_MS = 1_000;
/** Peers that readiness names. */
const SHOWN_PEERS = 8;

export function createProxy(options: ProxyOptions, dependencies: ProxyDependencies): ProxyService {
  return new ProxyServer(options, dependencies);
}

interface UdpHouse {
  readonly rooms: Pick<Rooms, "session">;
  readonly visitors: Visitors;
}

/** The place of a connection that is not a socket of the TCP port. */
class UdpVisit implements UdpPlace {
  private readonly visitor: Visitor;
  private readonly connection: ClientConnection;
  private readonly house: UdpHouse;

  constructor(visitor: Visitor, connection: ClientConnection, house: UdpHouse) {
    this.visitor = visitor;
    this.connection = connection;
    this.house = house;
  }

  enter(): ClientEvents {
    return this.house.rooms.session(this.visitor, this.connection);
  }

  leave(): void {
    this.house.visitors.leave(this.visitor);
  }
}

class ProxyServer implements ProxyService {
  readonly counters = new ProxyCounters();
  private readonly options: ProxyOptions;
  private readonly dependencies: ProxyDependencies;
  private readonly logger: Logger;
  private readonly visitors: Visitors;
  private readonly rooms: SessionRooms;
  private readonly house: UdpHouse;
  private readonly tracing: MessageTracer;
  private readonly stalls = new Stalls();
  private readonly announced: AnnouncedPlacements;
  private readonly placements: PlacementView;
  private listeners: (() => void)[] = [];
  private hub: Hub | undefined;
  private door: Door | undefined;
  private server: Server | undefined;
  private udp: UdpGateway | undefined;
  private timer: Timer | undefined;
  private unwatch: (() => void) | undefined;
  private state: "new" | "starting" | "ready" | "draining" | "stopped" = "new";

  constructor(options: ProxyOptions, dependencies: ProxyDependencies) {
    const { counters } = this;
    this.options = options;
    this.dependencies = dependencies;
    const logger = dependencies.logger.child({ part: "proxy" });
    this.logger = logger;
    this.announced = new AnnouncedPlacements({ peers: options.peers ?? [] });
    this.placements = dependencies.placements ?? this.announced;
    const tracer = dependencies.tracer ?? trace.getTracer("atlasnet");
    this.tracing = new MessageTracer(
      { sampleOneIn: options.sampleOneIn ?? 0 },
      {
        tracer,
        random: dependencies.random,
        counters,
        unixMs: () => performance.timeOrigin + performance.now(),
      },
    );
    const { tracing, stalls } = this;
    const visitors = new Visitors({ limits: options.limits }, { counters });
    this.visitors = visitors;
    this.rooms = new SessionRooms(options, {
      ...dependencies,
      ...{ visitors, logger, counters, tracer, tracing, stalls },
    });
    this.house = { rooms: this.rooms, visitors };
    observeProxy(dependencies.meter, counters);
  }

  get addresses(): readonly string[] {
    const address = this.server?.address();
    if (address === null || address === undefined || typeof address === "string") return [];
    const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
    return [`${host}:${address.port}`];
  }

  get udpEndpoint(): UdpEndpoint | undefined {
    return this.udp?.endpoint;
  }

  async start(): Promise<void> {
    if (this.state !== "new") return;
    this.state = "starting";
    const { options, counters, logger } = this;
    const { limits, tls } = options;
    this.door = new Door(tls === undefined ? { limits } : { limits, tls }, {
      rooms: this.rooms,
      counters,
    });
    this.udp = this.udpGateway();
    // Before the ports are open: whoever comes finds everything in place.
    this.hub = this.newHub();
    this.rooms.open(this.hub);
    this.unwatch = this.placements.watch(() => {
      if (this.placements.complete) this.tellHeard();
    });
    const { host, port } = options;
    try {
      if (options.listens !== false)
        this.server = await openPorts(
          { host, port, udpPort: options.udp?.port },
          { accept: (socket) => this.accept(socket), udp: this.udp },
        );
    } catch (error) {
      await this.visitors.cut();
      this.hub.stop();
      throw error;
    }
    this.hub.start();
    this.server?.on("error", (error) => {
      counters.acceptErrors += 1;
      logger.warn("a connection could not be accepted", { error });
    });
    // Not sooner: only now is it known where UDP is taken.
    this.rooms.takesUdp(this.udpEndpoint);
    this.state = "ready";
    this.planSweep();
  }

  private newHub(): Hub {
    const { options, announced, counters, logger } = this;
    const { limits, peers = [] } = options;
    return new Hub(
      { limits, peers, announced: this.dependencies.placements === undefined },
      {
        ...this.dependencies,
        placements: this.placements,
        hosting: (node, worlds) => {
          // Placements that are read somewhere else count alone: who has just lost a world may say that it is there.
          if (this.placements !== announced) return;
          for (const { world, holder, rival } of announced.announced(node, worlds))
            logger.error(
              `World ${world} is hosted by ${holder} and by ${rival}; players go to ${holder}. Take it out of the configuration of one of them.`,
              { world, holder, rival },
            );
        },
        logger,
        counters,
      },
    );
  }

  async heard(): Promise<void> {
    if (this.placements.complete || this.state === "stopped") return;
    await new Promise<void>((resolve) => this.listeners.push(resolve));
  }

  private tellHeard(): void {
    for (const resolve of this.listeners.splice(0)) resolve();
  }

  ready(): ProxyReadiness {
    const { awaited } = this.announced;
    if (this.placements.complete) return { ok: true };
    if (this.placements !== this.announced)
      return { ok: false, reason: "nobody has said yet where the worlds are" };
    const shown = awaited.slice(0, SHOWN_PEERS).map((peer) => {
      const problem = this.hub?.problem(peer);
      return problem === undefined ? peer : `${peer} (${problem})`;
    });
    const more = awaited.length > shown.length ? ` and ${awaited.length - shown.length} more` : "";
    return { ok: false, reason: `no word yet from ${shown.join(", ")}${more}` };
  }

  private udpGateway(): UdpGateway | undefined {
    const { options, dependencies, counters, logger } = this;
    const { node, limits, udp } = options;
    if (udp === undefined) return undefined;
    const { clock, random } = dependencies;
    return new UdpGateway(
      { node, limits, handshakesPerSecond: udp.handshakesPerSecond },
      {
        identity: createServerIdentity(udp.privateKey),
        rooms: { admit: (connection) => this.admit(connection) },
        clock,
        random,
        counters: counters.udp,
        logger,
      },
    );
  }

  async drain(deadlineMs: number): Promise<void> {
    if (this.state !== "ready") return;
    this.state = "draining";
    this.server?.close();
    let timer: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.dependencies.clock.setTimer(deadlineMs, resolve);
    });
    await Promise.race([this.letGo(deadlineMs), deadline]);
    timer?.cancel();
  }

  /** Players go on through the other proxies, where there are any; whoever is left then is closed. */
  private async letGo(deadlineMs: number): Promise<void> {
    const { visitors } = this;
    const { endpoints, limits } = this.options;
    // One of them is this one.
    if (endpoints.length > 1 && deadlineMs >= MIN_MOVE_DEADLINE_MS)
      await sendAway(
        { deadlineMs, goMs: limits.goElsewhereMs },
        { visitors, clock: this.dependencies.clock },
      );
    await visitors.drain();
  }

  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    this.state = "stopped";
    this.tellHeard();
    this.unwatch?.();
    this.timer?.cancel();
    await this.udp?.stop();
    const gone = this.visitors.cut();
    const { server } = this;
    if (server?.listening === true)
      await new Promise<void>((resolve) => server.close(() => resolve()));
    await gone;
    this.hub?.stop();
    this.tracing.stop();
  }

  /** `excused`: the last look was left out for a stall; two in a row would look at nobody under load. */
  private planSweep(excused = false): void {
    const { clock } = this.dependencies;
    const { stalls } = this;
    const plannedAt = clock.now();
    stalls.plan(plannedAt, plannedAt + SWEEP_MS);
    this.timer = clock.setTimer(SWEEP_MS, () => {
      const now = clock.now();
      // After a stall all seem idle: what they sent meanwhile is read only after this.
      const excuse = stalls.look(now) && !excused;
      if (!excuse) this.visitors.sweep(now, stalls.allowanceMs(now));
      this.udp?.sweep(now);
      this.hub?.sweep();
      if (this.state !== "stopped") this.planSweep(excuse);
    });
  }

  private accept(socket: Socket): void {
    const { counters, visitors } = this;
    counters.accepted += 1;
    // A socket that is reset before anybody looks has no address.
    const now = this.dependencies.clock.now();
    const visitor = visitors.admit(socket, socket.remoteAddress ?? "", now);
    if (visitor === undefined) {
      socket.destroy();
      return;
    }
    socket.on("error", () => {
      counters.socketErrors += 1;
    });
    socket.on("close", () => visitors.leave(visitor));
    this.door?.enter(visitor, socket);
  }

  admit(connection: CarriedConnection): UdpPlace | undefined {
    const { visitors, counters } = this;
    counters.accepted += 1;
    const now = this.dependencies.clock.now();
    const visitor = visitors.admit(connection, connection.remoteAddress, now);
    if (visitor === undefined) return undefined;
    return new UdpVisit(visitor, connection, this.house);
  }
}
