import { randomBytes } from "node:crypto";
import type { Clock, Logger, Timer } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/node";
import { type HostPort, resolveFor } from "./address.ts";
import { Arena } from "./arena.ts";
import { loadBinding, type NativeConfig, type NativeConnection, type Quiche } from "./binding.ts";
import type { ConnectionHost, ConnectionOptions } from "./connection-host.ts";
import { CONNECTION_ID_BYTES, destinationKey, isLongHeader, keyOf } from "./connection-id.ts";
import { checkCredentials, type QuicCredentials } from "./credentials.ts";
import { createCounters, type QuicEndpointStats } from "./endpoint-stats.ts";
import { InitialGate } from "./initial-gate.ts";
import type { OpenPacketPort, PacketPort } from "./packet-port.ts";
import { pathLimit } from "./path-limit.ts";
import { createConfig } from "./quic-config.ts";
import type { QuicConnection, QuicConnectionEvents } from "./quic-connection.ts";
import { QuicheConnection } from "./quiche-connection.ts";
import { MIN_ANSWERED_BYTES, RESET_BYTES, ResetTokens } from "./reset-tokens.ts";
import { isBesideQuic } from "./size-probe.ts";
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

/** Largest packet the QUIC layer writes; its length has 14 bits. */
const MAX_PACKET_BYTES = 16_383;

/** How often connections are looked after: keep-alives, deadlines. */
const MAX_SWEEP_MS = 250;
const SWEEPS_PER_TIMEOUT = 8;

/**
 * One UDP socket and the QUIC connections over it, those we begin and those we take in.
 *
 * 1. A packet finds its connection by the id we gave it and the address of its peer; no other packet
 *    reaches one.
 * 2. No memory is spent on who has not shown that it receives at its address (Retry).
 * 3. Work is done in `#turn`, once per turn of the event loop, for all that came and was written in it.
 */
export class QuicEndpoint implements ConnectionHost {
  readonly clock: Clock;
  readonly counters = createCounters();
  readonly arena = new Arena();
  readonly options: ConnectionOptions;
  readonly random = randomBytes;
  readonly pathLimit: (host: string) => number;
  readonly #maxConnections: number;
  readonly #quiche: Quiche;
  readonly #logger: Logger;
  readonly #gate: InitialGate;
  readonly #all = new Set<QuicheConnection>();
  readonly #byKey = new Map<string, QuicheConnection>();
  #port: PacketPort | undefined;
  #credentials: QuicCredentials;
  /** Of connections we begin; one we take in has its own, with its token. */
  #config: NativeConfig;
  #resets: ResetTokens;
  #accept: Accept | undefined;
  #accepted = 0;
  #due: QuicheConnection[] = [];
  #out = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
  #cut = this.#out;
  #turnSet: NodeJS.Immediate | undefined;
  #sweepTimer: Timer | undefined;
  #closing: Promise<void> | undefined;

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
    endpoint.#port = await openPort(options, {
      packet: (packet, from) => endpoint.#receive(packet, from),
      error: (error) => endpoint.#socketError(error),
    });
    endpoint.#sweepLater();
    return endpoint;
  }

  private constructor(
    options: QuicEndpointOptions,
    dependencies: QuicEndpointDependencies,
    quiche: Quiche,
  ) {
    const { idleTimeoutMs, maxConnections } = options;
    const { credentials, logger, clock = systemClock } = dependencies;
    this.options = {
      idleTimeoutMs,
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS,
      maxPacketBytes: Math.min(options.maxPacketBytes, MAX_PACKET_BYTES),
      maxStreams: options.maxStreams ?? DEFAULT_MAX_STREAMS,
    };
    this.clock = clock;
    this.pathLimit = dependencies.pathLimit ?? ((host) => pathLimit(host));
    this.#maxConnections = maxConnections;
    this.#logger = logger;
    this.#quiche = quiche;
    checkCredentials(credentials);
    this.#credentials = credentials;
    this.#config = createConfig(quiche, credentials, this.options);
    this.#resets = new ResetTokens(credentials);
    this.#gate = new InitialGate(
      { counters: this.counters },
      { quiche, now: () => clock.now(), random: randomBytes },
    );
  }

  /** Where the socket is bound. */
  get address(): HostPort {
    return this.#bound().address;
  }

  get local(): HostPort {
    return this.#bound().address;
  }

  get stats(): QuicEndpointStats {
    this.counters.connections = this.#all.size;
    this.counters.connectionIds = this.#byKey.size;
    return this.counters;
  }

  /** Begins a connection; its events come from a later turn on. A name is looked up once. */
  connect(to: HostPort, events: (connection: QuicConnection) => QuicConnectionEvents) {
    const connection = new QuicheConnection(to, true, this);
    connection.listen(events(connection));
    this.#all.add(connection);
    if (this.#closing === undefined) void this.#dial(connection, to);
    else connection.fail("this endpoint is closed");
    return connection satisfies QuicConnection;
  }

  /** Takes in connections whose address was validated; undefined: takes none in. */
  listen(accept: Accept | undefined): void {
    this.#accept = accept;
  }

  /**
   * A renewed certificate, for connections that begin from now on.
   * @throws OperatingError "bad-credentials"; the former ones stay in use.
   */
  setCredentials(credentials: QuicCredentials): void {
    checkCredentials(credentials);
    this.#config = createConfig(this.#quiche, credentials, this.options);
    this.#credentials = credentials;
    this.#resets = new ResetTokens(credentials);
  }

  /** Ends all connections with code 0 and closes the socket. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#accept = undefined;
    this.#sweepTimer?.cancel();
    // Events are never raised from within a call of ours.
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of this.#all) connection.abandon();
    await this.#port?.close();
  }

  schedule(connection: QuicheConnection): void {
    if (connection.scheduled) return;
    connection.scheduled = true;
    this.#due.push(connection);
    this.#turnSet ??= setImmediate(this.#turn);
  }

  outgoing(bytes: number): Buffer {
    if (this.#cut.length !== bytes) this.#cut = this.#out.subarray(0, bytes);
    return this.#cut;
  }

  transmit(length: number, to: HostPort, done: (error: Error | null) => void): void {
    this.counters.packetsOut += 1;
    this.counters.bytesOut += length;
    if (this.#bound().send(this.#out, length, to, done)) return;
    // The system's buffer is full: the packet waits where it is, and we go on in another place.
    this.#out = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
    this.#cut = this.#out;
  }

  closed(connection: QuicheConnection): void {
    if (!connection.dialler) this.#accepted -= 1;
  }

  freed(connection: QuicheConnection): void {
    this.#all.delete(connection);
    if (connection.key !== undefined) this.#byKey.delete(connection.key);
  }

  readonly #turn = (): void => {
    this.#turnSet = undefined;
    const due = this.#due;
    this.#due = [];
    for (const connection of due) {
      connection.scheduled = false;
      connection.flush();
    }
  };

  #sweepLater(): void {
    const { idleTimeoutMs, handshakeTimeoutMs } = this.options;
    const shortest = Math.min(idleTimeoutMs, handshakeTimeoutMs);
    const pause = Math.min(MAX_SWEEP_MS, shortest / SWEEPS_PER_TIMEOUT);
    this.#sweepTimer = this.clock.setTimer(pause, () => {
      const now = this.clock.now();
      for (const connection of this.#all) connection.sweep(now);
      this.#sweepLater();
    });
  }

  #bound(): PacketPort {
    if (this.#port === undefined) throw new Error("the endpoint's socket is not open");
    return this.#port;
  }

  #socketError(error: Error): void {
    this.counters.socketErrors += 1;
    this.#logger.debug("the links' socket had an error and goes on", { error });
  }

  async #dial(connection: QuicheConnection, to: HostPort): Promise<void> {
    try {
      const host = await resolveFor(to.host, this.#bound().family);
      // It may have been closed meanwhile.
      if (!connection.isOpening()) return;
      if (host === undefined)
        return connection.fail(`no way from ${this.local.host} to ${to.host}`);
      const remote = { host, port: to.port };
      const id = randomBytes(CONNECTION_ID_BYTES);
      const native = this.#quiche.Connection.connect(null, id, this.local, remote, this.#config);
      this.#register(id, connection);
      connection.begin(native, remote);
    } catch (error) {
      connection.fail(error instanceof Error ? error.message : String(error));
    }
  }

  #register(id: Uint8Array, connection: QuicheConnection): void {
    connection.key = keyOf(id);
    this.#all.add(connection);
    this.#byKey.set(connection.key, connection);
  }

  #receive(packet: Buffer, from: { address: string; port: number }): void {
    const { counters } = this;
    counters.packetsIn += 1;
    counters.bytesIn += packet.length;
    const key = destinationKey(packet);
    // Nobody can be answered at port 0.
    if (key === undefined || from.port === 0) {
      counters.dropped.malformed += 1;
      return;
    }
    const connection = this.#byKey.get(key);
    if (connection === undefined) return this.#receiveFirst(packet, from);
    if (connection.isFrom(from.address, from.port)) connection.receive(packet);
    else counters.dropped["wrong-address"] += 1;
  }

  /** A packet of no connection: the first or second of a client, or to be dropped. */
  #receiveFirst(packet: Buffer, { address, port }: { address: string; port: number }): void {
    const accept = this.#accept;
    if (!isLongHeader(packet)) this.#receiveUnknown(packet, { host: address, port });
    else if (accept === undefined) this.counters.dropped["not-listening"] += 1;
    else this.#admit(packet, { host: address, port }, accept);
  }

  /** Of a connection of a former life of this node, or one that has ended long ago: its client may know. */
  #receiveUnknown(packet: Buffer, from: HostPort): void {
    if (packet.length === RESET_BYTES && !isBesideQuic(packet)) this.#receiveReset(packet, from);
    this.counters.dropped["unknown-connection"] += 1;
    if (isBesideQuic(packet) || packet.length < MIN_ANSWERED_BYTES) return;
    this.counters.resetsSent += 1;
    const id = packet.subarray(1, 1 + CONNECTION_ID_BYTES);
    this.transmit(this.#resets.write(this.#out, id), from, this.#answered);
  }

  /** A reset does not name the connection: those with that peer look whether the token is theirs. */
  #receiveReset(packet: Buffer, from: HostPort): void {
    for (const connection of this.#all) {
      const { key, dialler } = connection;
      if (key === undefined || !dialler || !connection.isFrom(from.host, from.port)) continue;
      const named = Buffer.from(packet);
      named.write(key, 1, "latin1");
      connection.receive(named);
    }
  }

  #admit(packet: Buffer, from: HostPort, accept: Accept): void {
    const step = this.#gate.step(packet, from, this.#out);
    if (step.type === "drop") this.counters.dropped[step.reason] += 1;
    else if (step.type === "answer") this.transmit(step.length, from, this.#answered);
    else this.#takeIn(packet, from, step, accept);
  }

  #accepting(id: Uint8Array, originalId: Uint8Array, from: HostPort): NativeConnection | undefined {
    try {
      const resetToken = this.#resets.number(id);
      const options = { ...this.options, resetToken };
      const config = createConfig(this.#quiche, this.#credentials, options);
      return this.#quiche.Connection.accept(id, originalId, this.local, from, config);
    } catch (error) {
      // An address the QUIC layer cannot read, such as one with a scope.
      this.counters.nativeErrors += 1;
      this.#logger.debug("a connection could not be taken in", { error, from: from.host });
      return undefined;
    }
  }

  readonly #answered = (error: Error | null): void => {
    if (error !== null) this.counters.sendErrors += 1;
  };

  #takeIn(
    packet: Buffer,
    from: HostPort,
    { id, originalId }: { id: Uint8Array; originalId: Uint8Array },
    accept: Accept,
  ): void {
    const native = this.#accepting(id, originalId, from);
    if (native === undefined) return;
    const connection = new QuicheConnection(from, false, this);
    this.#register(id, connection);
    this.#accepted += 1;
    connection.begin(native, from);
    if (this.#accepted > this.#maxConnections) {
      this.counters.handshakesRefused += 1;
      connection.receive(packet);
      connection.refuse();
      return;
    }
    connection.listen(accept(connection));
    connection.receive(packet);
  }
}
