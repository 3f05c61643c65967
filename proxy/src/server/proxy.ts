import { createServer, type Server, type Socket } from "node:net";
import {
  type Clock,
  type LinkNetwork,
  type Logger,
  OperatingError,
  type PlacementView,
  type SecureRandom,
  type TicketKeys,
  type Timer,
} from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import { type Meter, type Tracer, trace } from "@opentelemetry/api";
import type { ClientConnection, ClientEvents } from "../gateway/client-connection.ts";
import type { LinesConnection } from "../gateway/lines/lines-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import { observeProxy, ProxyCounters } from "../metrics.ts";
import { addressKey } from "./address-key.ts";
import { Door, type Rooms } from "./door.ts";
import { Hub } from "./hub.ts";
import { LinesSession } from "./lines-session.ts";
import { Player } from "./player.ts";
import { Visitor } from "./visitor.ts";

/** Idle, handshake and rate limits are looked at this often, with one timer for all connections. */
const SWEEP_MS = 250;
/** Connections above a limit that are let in to be told why; further ones are cut. */
const REFUSALS_AT_ONCE = 64;

export interface ProxyOptions {
  /** This proxy's node id. */
  node: string;
  host: string;
  /** 0 lets the system choose; see `addresses`. */
  port: number;
  /** PEM texts; absent: TLS is refused. */
  tls?: { cert: string; key: string };
  allowGuests: boolean;
  /** Addresses of all proxies of the cluster, told to clients. */
  endpoints: readonly string[];
  limits: ProxyLimits;
}

export interface ProxyDependencies {
  links: LinkNetwork;
  placements: PlacementView;
  keys: TicketKeys;
  clock: Clock;
  random: SecureRandom;
  logger: Logger;
  meter: Meter;
  /** Spans of attaches; default: none. */
  tracer?: Tracer;
}

/** Where clients come in. */
export interface ProxyService {
  /** Listens. @throws OperatingError when the port cannot be had or the certificate is not one. */
  start(): Promise<void>;
  /** Takes nobody in any more, tells everybody, and waits at most `deadlineMs` for them to go. */
  drain(deadlineMs: number): Promise<void>;
  /** Cuts every connection and frees the port; the links of this proxy are closed. */
  stop(): Promise<void>;
  /** Listening addresses, `host:port`; empty before `start`. */
  readonly addresses: readonly string[];
  readonly counters: Readonly<ProxyCounters>;
}

export function createProxy(options: ProxyOptions, dependencies: ProxyDependencies): ProxyService {
  return new ProxyServer(options, dependencies);
}

class ProxyServer implements ProxyService, Rooms {
  readonly counters = new ProxyCounters();
  private readonly options: ProxyOptions;
  private readonly dependencies: ProxyDependencies;
  private readonly logger: Logger;
  private hub: Hub | undefined;
  private door: Door | undefined;
  private server: Server | undefined;
  private timer: Timer | undefined;
  private readonly visitors = new Set<Visitor>();
  private readonly perAddress = new Map<string, number>();
  private refusals = 0;
  private state: "new" | "ready" | "draining" | "stopped" = "new";
  private emptied: (() => void) | undefined;

  constructor(options: ProxyOptions, dependencies: ProxyDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.logger = dependencies.logger.child({ part: "proxy", node: options.node });
    observeProxy(dependencies.meter, this.counters);
  }

  get addresses(): readonly string[] {
    const address = this.server?.address();
    if (address === null || address === undefined || typeof address === "string") return [];
    const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
    return [`${host}:${address.port}`];
  }

  async start(): Promise<void> {
    if (this.state !== "new") return;
    const { options, counters, logger } = this;
    const { limits, tls } = options;
    this.door = new Door(tls === undefined ? { limits } : { limits, tls }, {
      rooms: this,
      counters,
    });
    const server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    await listen(server, options.host, options.port);
    this.hub = new Hub(limits, { ...this.dependencies, logger, counters });
    server.on("error", (error) => {
      counters.acceptErrors += 1;
      logger.warn("a connection could not be accepted", { error });
    });
    this.server = server;
    this.state = "ready";
    this.planSweep();
  }

  async drain(deadlineMs: number): Promise<void> {
    if (this.state !== "ready") return;
    this.state = "draining";
    this.server?.close();
    const empty = new Promise<void>((resolve) => {
      this.emptied = resolve;
    });
    for (const visitor of [...this.visitors])
      visitor.end("shutting-down", "the server is stopping; come back in a moment");
    if (this.visitors.size === 0) return;
    let timer: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.dependencies.clock.setTimer(deadlineMs, resolve);
    });
    await Promise.race([empty, deadline]);
    timer?.cancel();
  }

  async stop(): Promise<void> {
    if (this.state === "stopped") return;
    this.state = "stopped";
    this.timer?.cancel();
    for (const visitor of [...this.visitors]) visitor.socket.destroy();
    const { server } = this;
    if (server?.listening === true)
      await new Promise<void>((resolve) => server.close(() => resolve()));
    if (this.visitors.size > 0)
      await new Promise<void>((resolve) => {
        this.emptied = resolve;
      });
    this.hub?.stop();
  }

  private planSweep(): void {
    this.timer = this.dependencies.clock.setTimer(SWEEP_MS, () => {
      const now = this.dependencies.clock.now();
      for (const visitor of this.visitors) visitor.sweep(now);
      this.hub?.sweep(now);
      if (this.state !== "stopped") this.planSweep();
    });
  }

  private accept(socket: Socket): void {
    const { counters } = this;
    counters.accepted += 1;
    // A socket that is reset before anybody looks has no address.
    const key = addressKey(socket.remoteAddress ?? "");
    const refusal = this.refusalOf(key);
    if (refusal !== undefined && this.refusals >= REFUSALS_AT_ONCE) {
      counters.countClose(refusal);
      socket.destroy();
      return;
    }
    const { limits } = this.options;
    const visitor = new Visitor(
      { limits, addressKey: key, refusal, now: this.dependencies.clock.now() },
      { socket, counters },
    );
    this.enter(visitor);
    socket.on("error", () => {
      counters.socketErrors += 1;
    });
    socket.on("close", () => this.gone(visitor));
    this.door?.enter(visitor);
  }

  private refusalOf(key: string): CloseCode | undefined {
    const { connections, connectionsPerAddress } = this.options.limits;
    if (this.state !== "ready") return "shutting-down";
    const here = this.perAddress.get(key) ?? 0;
    return this.visitors.size - this.refusals >= connections || here >= connectionsPerAddress
      ? "too-many-connections"
      : undefined;
  }

  private enter(visitor: Visitor): void {
    const { addressKey: key, refusal } = visitor;
    this.visitors.add(visitor);
    if (refusal !== undefined) this.refusals += 1;
    else this.perAddress.set(key, (this.perAddress.get(key) ?? 0) + 1);
  }

  private gone(visitor: Visitor): void {
    const { addressKey: key, refusal } = visitor;
    if (!this.visitors.delete(visitor)) return;
    this.countOpen(visitor, -1);
    if (refusal !== undefined) this.refusals -= 1;
    else {
      const left = (this.perAddress.get(key) ?? 1) - 1;
      if (left === 0) this.perAddress.delete(key);
      else this.perAddress.set(key, left);
    }
    if (this.visitors.size === 0) this.emptied?.();
  }

  private countOpen(visitor: Visitor, change: number): void {
    if (visitor.transport === "framed") this.counters.openFramed += change;
    else if (visitor.transport === "websocket") this.counters.openWebSocket += change;
    else if (visitor.transport === "lines") this.counters.openLines += change;
  }

  session(visitor: Visitor, connection: ClientConnection): ClientEvents {
    const player = new Player(connection, this.options, {
      ...this.dependencies,
      hub: this.needHub(),
      logger: this.logger,
      counters: this.counters,
      tracer: this.dependencies.tracer ?? trace.getTracer("atlasnet"),
    });
    visitor.settle(connection, player);
    this.countOpen(visitor, 1);
    this.turnAway(visitor);
    return player;
  }

  lines(visitor: Visitor, connection: LinesConnection): void {
    const { keys, clock } = this.dependencies;
    const hub = this.needHub();
    const { counters } = this;
    const session = new LinesSession(connection, this.options.limits, {
      hub,
      keys,
      clock,
      counters,
    });
    visitor.settle(connection, session);
    this.countOpen(visitor, 1);
    connection.open(session);
    this.turnAway(visitor);
  }

  private turnAway(visitor: Visitor): void {
    if (visitor.refusal !== undefined)
      visitor.end(visitor.refusal, "no room for another connection");
    else if (this.state !== "ready") visitor.end("shutting-down", "the server is stopping");
  }

  private needHub(): Hub {
    if (this.hub === undefined) throw new Error("a client came in before the proxy was started");
    return this.hub;
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => reject(listenError(host, port, cause));
    server.once("error", failed);
    server.listen({ host, port }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): OperatingError {
  const facts = { setting: "proxy.port", host, port };
  if (cause.code === "EADDRINUSE")
    return new OperatingError("port-in-use", `proxy.port: ${host}:${port} is in use`, {
      facts,
      cause,
      hint: "Stop the process that listens there, or choose another proxy.port.",
    });
  if (cause.code === "EACCES")
    return new OperatingError("port-forbidden", `proxy.port: may not listen on ${host}:${port}`, {
      facts,
      cause,
      hint: "Choose a proxy.port above 1023, or give this process the right to low ports.",
    });
  return new OperatingError("cannot-listen", `proxy.host: cannot listen on ${host}:${port}`, {
    facts,
    cause,
    hint: "Check that proxy.host is an address of this machine; 0.0.0.0 and :: mean all of them.",
  });
}
