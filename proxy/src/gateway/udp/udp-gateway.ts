import type { Clock, Logger, SecureRandom } from "@atlasnet/core";
import { CONNECTION_ID_BYTES, connectionIdOf, PACKET } from "@atlasnet/udp";
import { HandshakeDoor, type ServerIdentity } from "@atlasnet/udp/node";
import type { ProxyLimits } from "../../limits.ts";
import { addressKey } from "../../server/address-key.ts";
import { TokenBucket } from "../../session/token-bucket.ts";
import type { ClientEvents } from "../client-connection.ts";
import { HandshakeBudget } from "./handshake-budget.ts";
import { type Peer, peerAt } from "./peer.ts";
import { Turns } from "./turns.ts";
import { UdpConnection, type UdpConnectionHost } from "./udp-connection.ts";
import type { DropReason, UdpCounters } from "./udp-counters.ts";
import { UdpSocket } from "./udp-socket.ts";
import { WindowCounts } from "./window-counts.ts";

/** Resets for unknown connections; beyond it they are dropped as `unknown-connection`. */
const RESETS_PER_SECOND = 200;
/** Packets of one address that prove nothing, in a second; beyond it, `flood`: dropped unread. */
const UNPROVEN_PER_ADDRESS = 1_000;
/** Addresses told apart by that count, and what those beyond have together. */
const UNPROVEN_ADDRESSES = 4_096;
const UNPROVEN_SHARED = 10_000;
/** How long ids of connections that their clients closed are known, and how many at most. */
const LATE_MS = 3_000;
const MAX_LATE = 8_192;
/** Faults that are logged; all are counted. */
const FAULT_LOGS_PER_SECOND = 1;
const FAULT_LOGS_BURST = 10;

/** A place among the visitors. */
export interface UdpPlace {
  /** The client spoke: gives who listens to it. */
  enter(): ClientEvents;
  leave(): void;
}

/** The side of the server. */
export interface UdpRooms {
  /** Undefined: there is no room, not even to say so. */
  admit(connection: UdpConnection): UdpPlace | undefined;
}

export interface UdpGatewayOptions {
  /** Name of this proxy among those that share the key. */
  node: string;
  limits: ProxyLimits;
  /** Handshakes computed per second, of all addresses. */
  handshakesPerSecond: number;
}

export interface UdpGatewayDependencies {
  identity: ServerIdentity;
  rooms: UdpRooms;
  clock: Clock;
  random: SecureRandom;
  counters: UdpCounters;
  logger: Logger;
}

/** Counts of single connections and the gateway's that they add to. */
const HARVESTED = [
  ["packetsLost", "packetsLost"],
  ["streamBytesRepeated", "streamBytesRepeated"],
  ["updatesLost", "updatesLost"],
  ["moves", "addressChanges"],
] as const;

/** What the gateway keeps of a connection. */
interface Guest {
  readonly connection: UdpConnection;
  readonly place: UdpPlace;
  /** Under which the accept is kept for repeated initiates. */
  readonly attempt: string;
  isConfirmed: boolean;
  /** What of its counts is in the gateway's already. */
  readonly counted: { -readonly [C in (typeof HARVESTED)[number][0]]: number };
}

/** An accept, kept for as long as its cookie may come again. */
interface KeptAccept {
  readonly packet: Uint8Array;
  readonly until: number;
}

/**
 * Clients over UDP (docs/protocol.md, section 11): tells datagrams apart, keeps strangers cheap, and
 * runs the clocks of the connections.
 *
 * 1. Before a good cookie came nothing is kept of a peer but a count by address.
 * 2. What one turn of the event loop has for a client leaves in as few packets as it fits in.
 * 3. Packets from where a connection's own packets go are read, unless many in its name are forged;
 *    other ones only while their address has not sent too much that proved nothing.
 */
export class UdpGateway implements UdpConnectionHost {
  private readonly limits: ProxyLimits;
  private readonly dependencies: UdpGatewayDependencies;
  private readonly door: HandshakeDoor;
  private readonly guests = new Map<number, Guest>();
  private readonly accepts = new Map<string, KeptAccept>();
  private readonly turns: Turns<UdpConnection>;
  /** Ids of connections that their clients closed, and until when packets of them are no news. */
  private readonly ended = new Map<number, number>();
  private readonly budget: HandshakeBudget;
  private readonly resets: TokenBucket;
  private readonly faultLogs: TokenBucket;
  private readonly unproven = new WindowCounts({
    perAddress: UNPROVEN_PER_ADDRESS,
    maxAddresses: UNPROVEN_ADDRESSES,
    shared: UNPROVEN_SHARED,
  });
  private readonly random: (count: number) => Uint8Array;
  private socket: UdpSocket | undefined;

  constructor(options: UdpGatewayOptions, dependencies: UdpGatewayDependencies) {
    const { node, limits, handshakesPerSecond } = options;
    const { identity, random, clock } = dependencies;
    const now = clock.now();
    this.limits = limits;
    this.dependencies = dependencies;
    this.random = (count) => random.bytes(count);
    this.door = new HandshakeDoor(
      { node, idleTimeoutMs: limits.idleTimeoutMs },
      { identity, randomBytes: this.random },
    );
    this.turns = new Turns({
      clock,
      turn: () => this.socket?.check(),
      fault: (connection, error) => this.giveUp(connection, error),
    });
    this.budget = new HandshakeBudget({ perSecond: handshakesPerSecond, now });
    this.resets = new TokenBucket(RESETS_PER_SECOND, RESETS_PER_SECOND, now);
    this.faultLogs = new TokenBucket(FAULT_LOGS_PER_SECOND, FAULT_LOGS_BURST, now);
  }

  /** The port that is bound, and the key clients should expect; undefined before `start`. */
  get endpoint(): { port: number; key: Uint8Array } | undefined {
    const { socket } = this;
    if (socket === undefined) return undefined;
    return { port: socket.port, key: this.dependencies.identity.publicKey };
  }

  /** @throws the system's error when the port cannot be had; it may be tried again then. */
  async start(address: string, port: number): Promise<void> {
    const { counters, logger } = this.dependencies;
    this.socket = await UdpSocket.bind(
      { address, port },
      { counters, logger, message: (packet, address, port) => this.message(packet, address, port) },
    );
  }

  /** Connections still open are told that the server stops. Resolves when the port is free. */
  async stop(): Promise<void> {
    this.turns.stop();
    for (const { connection } of [...this.guests.values()]) {
      connection.close("shutting-down", "the server is stopping");
      connection.destroy();
    }
    await this.socket?.close();
  }

  /** To be called a few times a second. */
  sweep(now: number): void {
    for (const [attempt, { until }] of this.accepts) {
      if (until > now) break;
      this.accepts.delete(attempt);
    }
    for (const [id, until] of this.ended) {
      if (until > now) break;
      this.ended.delete(id);
    }
    for (const guest of this.guests.values()) this.harvest(guest);
  }

  private harvest({ connection, counted }: Guest): void {
    const { counters } = this.dependencies;
    const { stats } = connection;
    for (const [from, to] of HARVESTED) {
      counters[to] += stats[from] - counted[from];
      counted[from] = stats[from];
    }
  }

  // Packets.

  private message(packet: Uint8Array, address: string, port: number): void {
    const now = this.dependencies.clock.now();
    try {
      switch (packet[0]) {
        case PACKET.sealed:
          return this.sealed(packet, address, port, now);
        case PACKET.initiate:
          return this.initiate(packet, address, port, now);
        default:
          return this.drop("unknown-type");
      }
    } catch (error) {
      this.fault("a datagram could not be dealt with", error);
    }
  }

  private drop(why: DropReason): void {
    this.dependencies.counters.drops[why] += 1;
  }

  private sealed(packet: Uint8Array, address: string, port: number, now: number): void {
    const id = connectionIdOf(packet);
    const guest = id === undefined ? undefined : this.guests.get(id);
    if (guest === undefined) {
      // A client that closes answers what still comes to it with the same close.
      if (id !== undefined && this.ended.has(id)) return this.drop("late");
      return this.unknown(packet, address, port, now);
    }
    const { connection } = guest;
    const trusted = connection.isAt(address, port) && !connection.isDubious(now);
    if (!trusted && this.unproven.spent(addressKey(address), now)) return this.drop("flood");
    try {
      const received = connection.receive(packet, address, port, now);
      if (received !== "taken") {
        this.drop(received);
        // Networks repeat packets, too; nobody is held to account for that.
        if (received === "not-genuine") this.unproven.add(addressKey(address), now);
        return;
      }
      this.turns.plan();
    } catch (error) {
      this.giveUp(connection, error);
    }
  }

  /** Perhaps this server ran before and has forgotten the connection: the client should know. */
  private unknown(packet: Uint8Array, address: string, port: number, now: number): void {
    const { counters } = this.dependencies;
    const key = addressKey(address);
    if (this.unproven.spent(key, now)) return this.drop("flood");
    this.unproven.add(key, now);
    const reset = this.resets.take(1, now) ? this.door.reset(packet) : undefined;
    if (reset === undefined) return this.drop("unknown-connection");
    counters.resets += 1;
    this.socket?.send(reset, address, port);
  }

  private initiate(packet: Uint8Array, address: string, port: number, now: number): void {
    const { counters } = this.dependencies;
    const key = addressKey(address);
    if (this.unproven.spent(key, now)) return this.drop("flood");
    const peer = peerAt(address, port);
    const full = counters.unconfirmed >= this.limits.unconfirmedConnections;
    const answer = this.door.answer(packet, peer.path, now, (attempt) => {
      const kept = this.accepts.get(attempt);
      if (kept !== undefined) return { type: "repeat", accept: kept.packet };
      if (full || !this.budget.take(key, now)) return { type: "too-busy" };
      return { type: "new", connectionId: this.newId() };
    });
    if (answer.type !== "accept") this.unproven.add(key, now);
    switch (answer.type) {
      case "drop":
        return this.drop(answer.why === "too-busy" && full ? "no-room" : answer.why);
      case "retry":
        counters.retries += 1;
        return this.socket?.send(answer.packet, address, port);
      case "repeat":
        counters.acceptsRepeated += 1;
        return this.socket?.send(answer.packet, address, port);
      case "accept":
        return this.accept(answer, peer, now);
    }
  }

  private accept(
    answer: Extract<ReturnType<HandshakeDoor["answer"]>, { type: "accept" }>,
    peer: Peer,
    now: number,
  ): void {
    const { rooms, counters } = this.dependencies;
    const { keys, attempt, packet } = answer;
    counters.handshakes += 1;
    const connection = new UdpConnection(
      { id: answer.connectionId, peer, maxMessageBytes: this.limits.maxMessageBytes },
      { keys, host: this, deadlines: this.turns.deadlines, now, randomBytes: this.random },
    );
    const place = rooms.admit(connection);
    if (place === undefined) return this.drop("no-room");
    this.guests.set(connection.id, {
      connection,
      place,
      attempt,
      isConfirmed: false,
      counted: { packetsLost: 0, streamBytesRepeated: 0, updatesLost: 0, moves: 0 },
    });
    this.accepts.set(attempt, { packet, until: now + this.limits.handshakeTimeoutMs });
    counters.unconfirmed += 1;
    this.transmit(packet, peer);
  }

  private newId(): number {
    for (;;) {
      let id = 0;
      for (const byte of this.random(CONNECTION_ID_BYTES)) id = id * 256 + byte;
      if (!this.guests.has(id)) return id;
    }
  }

  /** A mistake of ours in dealing with one client must not end the others. */
  private giveUp(connection: UdpConnection, error: unknown): void {
    this.fault("a UDP connection is given up after a fault", error);
    connection.destroy();
  }

  private fault(what: string, error: unknown): void {
    const { clock, logger } = this.dependencies;
    this.drop("fault");
    if (this.faultLogs.take(1, clock.now())) logger.error(what, { error });
  }

  // What connections ask for.

  transmit(packet: Uint8Array, { address, port }: Peer): void {
    this.socket?.send(packet, address, port);
  }

  dirty(connection: UdpConnection): void {
    this.turns.add(connection);
  }

  confirmed(connection: UdpConnection): ClientEvents {
    const guest = this.guests.get(connection.id);
    if (guest === undefined) throw new Error("a connection spoke that has no place");
    guest.isConfirmed = true;
    this.dependencies.counters.unconfirmed -= 1;
    return guest.place.enter();
  }

  gone(connection: UdpConnection): void {
    const { counters, clock } = this.dependencies;
    const guest = this.guests.get(connection.id);
    if (guest === undefined) return;
    this.guests.delete(connection.id);
    if (connection.closedByPeer && this.ended.size < MAX_LATE)
      this.ended.set(connection.id, clock.now() + LATE_MS);
    this.accepts.delete(guest.attempt);
    this.harvest(guest);
    if (!guest.isConfirmed) counters.unconfirmed -= 1;
    guest.place.leave();
  }
}
