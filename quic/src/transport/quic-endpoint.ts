import { randomBytes } from "node:crypto";
import type { Clock, Logger, Timer } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { type HostPort, resolveFor } from "./address.ts";
import { Arena } from "./arena.ts";
import { loadBinding, type NativeConnection, type Quiche } from "./binding.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { CONNECTION_ID_BYTES, destinationKey, isLongHeader } from "./connection-id.ts";
import { ConnectionTable } from "./connection-table.ts";
import type { QuicCredentials } from "./credentials.ts";
import { EndpointCredentials } from "./endpoint-credentials.ts";
import { createCounters, type DropReason, type QuicEndpointStats } from "./endpoint-stats.ts";
import { InitialGate } from "./initial-gate.ts";
import { DEFAULT_INTAKE, Intake, type IntakeRates } from "./intake.ts";
import { MAX_PACKET_BYTES, PacketOutlet } from "./packet-outlet.ts";
import type { OpenPacketPort } from "./packet-port.ts";
import { pathLimit } from "./path-limit.ts";
import type { QuicConnection, QuicConnectionEvents } from "./quic-connection.ts";
import { QuicheConnection } from "./quiche-connection.ts";
import { MIN_ANSWERED_BYTES, RESET_BYTES } from "./reset-tokens.ts";
import { isBesideQuic } from "./size-probe.ts";
import { TurnQueue } from "./turn-queue.ts";
import { openUdpPort } from "./udp-port.ts";

export interface QuicEndpointOptions {
  /** An address of this machine, or a name of one; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Nothing heard for so long: a connection has ended. The smaller value of both ends counts. */
  readonly idleTimeoutMs: number;
  /** Largest UDP payload, 1200 to 16384. */
  readonly maxPacketBytes: number;
  /** Taken in at a time; more are refused. */
  readonly maxConnections: number;
  /** One-way streams a peer may open over a connection's life; one more closes it. Default 16. */
  readonly maxStreams?: number;
  /** A handshake that is not done by then has failed. Default 5000. */
  readonly handshakeTimeoutMs?: number;
  /** How fast connections are taken in; who comes above it is not answered, and tries again. Default DEFAULT_INTAKE. */
  readonly intake?: IntakeRates;
}

export interface QuicEndpointDependencies {
  readonly credentials: QuicCredentials;
  readonly logger: Logger;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: a UDP socket. */
  readonly openPort?: OpenPacketPort;
  /** Largest UDP payload worth trying towards an address. Default: what this machine's networks carry. */
  readonly pathLimit?: (host: string) => number;
}

export type Accept = (connection: QuicConnection) => QuicConnectionEvents;

export const DEFAULT_MAX_STREAMS = 16;
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 5000;

/** How often connections are looked after: keep-alives, deadlines. */
const MAX_SWEEP_MS = 250;
const SWEEPS_PER_TIMEOUT = 8;

/**
 * One UDP socket and the QUIC connections over it, those we begin and those we take in.
 *
 * 1. A packet finds its connection by the id we gave it and the address of its peer; no other packet
 *    reaches one.
 * 2. No memory is spent on who has not shown that it receives at its address (Retry), and not more than
 *    some percent of a core on all who begin connections.
 * 3. A connection works once per turn of the event loop, for all that came and was written in it.
 */
export class QuicEndpoint {
  private readonly quiche: Quiche;
  private readonly logger: Logger;
  private readonly maxConnections: number;
  private readonly counters = createCounters();
  private readonly connections = new ConnectionTable();
  private readonly outlet = new PacketOutlet({ counters: this.counters });
  private readonly host: Omit<ConnectionHost, "local">;
  private readonly gate: InitialGate;
  private readonly intake: Intake;
  private credentials: EndpointCredentials;
  private accept: Accept | undefined;
  private sweepTimer: Timer | undefined;
  private closing: Promise<void> | undefined;

  /**
   * Loads the binding and binds the socket.
   * @throws OperatingError "quic-unavailable", "bad-credentials", "port-in-use", "cannot-listen", "unknown-host"
   */
  static async open(
    options: QuicEndpointOptions,
    dependencies: QuicEndpointDependencies,
  ): Promise<QuicEndpoint> {
    const quiche = await loadBinding();
    const endpoint = new QuicEndpoint(options, dependencies, quiche);
    const openPort = dependencies.openPort ?? openUdpPort;
    const port = await openPort(options, {
      packet: (packet, { address, port }) => endpoint.receive(packet, { host: address, port }),
      error: (error) => endpoint.socketError(error),
    });
    endpoint.outlet.open(port);
    endpoint.sweepLater();
    return endpoint;
  }

  private constructor(
    options: QuicEndpointOptions,
    dependencies: QuicEndpointDependencies,
    quiche: Quiche,
  ) {
    const { credentials, logger, clock = systemClock } = dependencies;
    this.quiche = quiche;
    this.logger = logger;
    this.maxConnections = options.maxConnections;
    this.host = this.createHost(options, dependencies, clock);
    this.credentials = new EndpointCredentials(quiche, credentials, this.host.options);
    this.intake = new Intake(options.intake ?? DEFAULT_INTAKE, { clock });
    this.gate = new InitialGate(
      { counters: this.counters },
      { quiche, now: () => clock.now(), random: randomBytes },
    );
  }

  /** Where the socket is bound. */
  get address(): HostPort {
    return this.outlet.port.address;
  }

  get stats(): QuicEndpointStats {
    this.counters.connections = this.connections.size;
    this.counters.connectionIds = this.connections.ids;
    return this.counters;
  }

  /** Begins a connection; its events come from a later turn on. A name is looked up once. */
  connect(
    to: HostPort,
    events: (connection: QuicConnection) => QuicConnectionEvents,
  ): QuicConnection {
    const connection = this.create(to, true);
    connection.listen(events(connection));
    if (this.closing === undefined) void this.dial(connection, to);
    else connection.fail("this endpoint is closed");
    return connection;
  }

  /** Takes in connections whose address was validated; undefined: takes none in. */
  listen(accept: Accept | undefined): void {
    this.accept = accept;
  }

  /**
   * A renewed certificate, for connections that begin from now on.
   * @throws OperatingError "bad-credentials"; the former ones stay in use.
   */
  setCredentials(credentials: QuicCredentials): void {
    this.credentials = new EndpointCredentials(this.quiche, credentials, this.host.options);
  }

  /** Ends all connections with code 0 and closes the socket. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.accept = undefined;
    this.sweepTimer?.cancel();
    // Events are never raised from within a call of ours.
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of this.connections) connection.abandon();
    await this.outlet.port.close();
  }

  private createHost(
    options: QuicEndpointOptions,
    dependencies: QuicEndpointDependencies,
    clock: Clock,
  ): Omit<ConnectionHost, "local"> {
    const outlet = this.outlet;
    const turns = new TurnQueue();
    return {
      clock,
      counters: this.counters,
      arena: new Arena(),
      random: randomBytes,
      pathLimit: dependencies.pathLimit ?? ((host) => pathLimit(host)),
      options: {
        idleTimeoutMs: options.idleTimeoutMs,
        handshakeTimeoutMs: options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS,
        maxPacketBytes: Math.min(options.maxPacketBytes, MAX_PACKET_BYTES),
        maxStreams: options.maxStreams ?? DEFAULT_MAX_STREAMS,
      },
      schedule: (connection) => turns.add(connection),
      outgoing: (bytes) => outlet.outgoing(bytes),
      transmit: (length, to, done) => outlet.transmit(length, to, done),
      closed: (connection) => this.connections.ended(connection),
      freed: (connection) => this.connections.remove(connection),
    };
  }

  private create(to: HostPort, dialler: boolean): QuicheConnection {
    const connection = new QuicheConnection(to, dialler, { ...this.host, local: this.address });
    this.connections.add(connection);
    return connection;
  }

  private sweepLater(): void {
    const { clock, options } = this.host;
    const shortest = Math.min(options.idleTimeoutMs, options.handshakeTimeoutMs);
    const pause = Math.min(MAX_SWEEP_MS, shortest / SWEEPS_PER_TIMEOUT);
    this.sweepTimer = clock.setTimer(pause, () => {
      const now = clock.now();
      for (const connection of this.connections) connection.sweep(now);
      this.sweepLater();
    });
  }

  private socketError(error: Error): void {
    this.counters.socketErrors += 1;
    this.logger.debug("the links' socket had an error and goes on", { error });
  }

  private async dial(connection: QuicheConnection, to: HostPort): Promise<void> {
    try {
      const host = await resolveFor(to.host, this.outlet.port.family);
      // It may have been closed meanwhile.
      if (!connection.isOpening()) return;
      const { address } = this;
      if (host === undefined) return connection.fail(`no way from ${address.host} to ${to.host}`);
      const remote = { host, port: to.port };
      const id = randomBytes(CONNECTION_ID_BYTES);
      const { Connection } = this.quiche;
      const native = Connection.connect(null, id, address, remote, this.credentials.dialling);
      this.connections.register(connection, id);
      connection.begin(native, remote);
    } catch (error) {
      connection.fail(error instanceof Error ? error.message : String(error));
    }
  }

  private receive(packet: Buffer, from: HostPort): void {
    this.counters.packetsIn += 1;
    this.counters.bytesIn += packet.length;
    const key = destinationKey(packet);
    // Nobody can be answered at port 0.
    if (key === undefined || from.port === 0) return this.drop("malformed");
    const connection = this.connections.find(key);
    if (connection === undefined) return this.receiveUnknown(packet, from);
    if (!connection.isFrom(from.host, from.port)) return this.drop("wrong-address");
    connection.receive(packet);
  }

  private drop(reason: DropReason): void {
    this.counters.dropped[reason] += 1;
  }

  /** A packet of no connection: it begins one, or one is no more, or it is nothing. */
  private receiveUnknown(packet: Buffer, from: HostPort): void {
    if (isLongHeader(packet)) return this.receiveFirst(packet, from);
    this.drop("unknown-connection");
    if (isBesideQuic(packet)) return;
    if (packet.length === RESET_BYTES) this.receiveReset(packet, from);
    // Only who takes connections in gave tokens out. From a socket we dial from, the answer would hand the
    // token of another socket's living connection to whoever saw the id of that.
    if (this.accept === undefined || packet.length < MIN_ANSWERED_BYTES) return;
    // Of a former life of this node, or ended long ago: its client may know.
    this.counters.resetsSent += 1;
    const id = packet.subarray(1, 1 + CONNECTION_ID_BYTES);
    const out = this.outlet.outgoing(RESET_BYTES);
    this.outlet.answer(this.credentials.resets.write(out, id), from);
  }

  /** A reset does not name the connection: those with that peer look whether the token is theirs. */
  private receiveReset(packet: Buffer, from: HostPort): void {
    for (const { connection, key } of this.connections.dialledTo(from)) {
      const named = Buffer.from(packet);
      named.write(key, 1, "latin1");
      connection.receive(named);
    }
  }

  private receiveFirst(packet: Buffer, from: HostPort): void {
    const accept = this.accept;
    if (accept === undefined) return this.drop("not-listening");
    const step = this.gate.step(packet, from, this.outlet.outgoing(MAX_PACKET_BYTES));
    if (step.type === "drop") return this.drop(step.reason);
    if (step.type === "answer") return this.outlet.answer(step.length, from);
    if (!this.intake.take(from.host)) return this.drop("too-busy");
    const native = this.createAccepted(step, from);
    if (native === undefined) return;
    const connection = this.create(from, false);
    this.connections.register(connection, step.id);
    connection.begin(native, from);
    if (this.connections.takenIn <= this.maxConnections) {
      connection.listen(accept(connection));
      connection.receive(packet);
      return;
    }
    this.counters.handshakesRefused += 1;
    connection.receive(packet);
    connection.refuse();
  }

  private createAccepted(
    { id, originalId }: { readonly id: Uint8Array; readonly originalId: Uint8Array },
    from: HostPort,
  ): NativeConnection | undefined {
    try {
      const config = this.credentials.takingIn(id);
      return this.quiche.Connection.accept(id, originalId, this.address, from, config);
    } catch (error) {
      // An address the QUIC layer cannot read, such as one with a scope.
      this.counters.nativeErrors += 1;
      this.logger.debug("a connection could not be taken in", { error, from: from.host });
      return undefined;
    }
  }
}
