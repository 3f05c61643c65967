import type { Clock, Logger, SecureRandom } from "@atlasnet/core";
import {
  CONNECTION_ID_BYTES,
  connectionIdOf,
  newDatagramStats,
  PACKET,
  StreamMemory,
} from "@atlasnet/udp";
import type { ServerIdentity } from "@atlasnet/udp/node";
import type { ProxyLimits } from "../../limits.ts";
import { TokenBucket } from "../../session/token-bucket.ts";
import type { ClientEvents } from "../client-connection.ts";
import { type Peer, peerAt } from "./peer.ts";
import { type StrangerAnswer, Strangers } from "./strangers.ts";
import { Turns } from "./turns.ts";
import { UdpConnection, type UdpConnectionHost } from "./udp-connection.ts";
import type { DropReason, UdpCounters } from "./udp-counters.ts";
import { UdpSocket } from "./udp-socket.ts";

/** How long ids of connections that their clients closed are known, and how many at most. */
const LATE_MS = 3_000;
const MAX_LATE = 8_192;
/**
 * What all connections may hold of their streams that came early or has to wait, beyond a few KiB each:
 * at one more such part it counts as lost, and its client sends it again.
 */
const STREAM_MEMORY_BYTES = 64 * 1024 * 1024;
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

/** Counts of all connections and the gateway's that they add to. */
const HARVESTED = [
  ["packetsLost", "packetsLost"],
  ["packetsUnkept", "packetsUnkept"],
  ["streamBytesRepeated", "streamBytesRepeated"],
  ["updatesLost", "updatesLost"],
  ["moves", "addressChanges"],
] as const;

/** What the gateway keeps of a connection. */
interface Guest {
  readonly connection: UdpConnection;
  readonly place: UdpPlace;
  /** Under which the accept is kept for repeated initiates; empty once it is not any more. */
  attempt: string;
}

/**
 * Clients over UDP (docs/protocol.md, section 11): tells datagrams apart and keeps the connections.
 *
 * 1. Before a good cookie came nothing is kept of a peer but a count by address.
 * 2. What one turn of the event loop has for a client leaves in as few packets as it fits in.
 * 3. Nothing that a datagram does throws out of here.
 * 4. Packets from where a connection's own packets go are read, unless many in its name are forged;
 *    other ones only while their address has not sent too much that proved nothing.
 */
export class UdpGateway implements UdpConnectionHost {
  private readonly limits: ProxyLimits;
  private readonly dependencies: UdpGatewayDependencies;
  private readonly strangers: Strangers;
  private readonly guests = new Map<number, Guest>();
  /** Those of them whose client was not heard yet, the oldest first. */
  private readonly unconfirmed = new Set<Guest>();
  private readonly turns: Turns<UdpConnection>;
  /** Ids of connections that their clients closed, and until when packets of them are no news. */
  private readonly ended = new Map<number, number>();
  private readonly faultLogs: TokenBucket;
  private readonly streamMemory = new StreamMemory(STREAM_MEMORY_BYTES);
  private readonly random: (count: number) => Uint8Array;
  /** Of all connections since the last harvest. */
  private readonly stats = newDatagramStats();
  private socket: UdpSocket | undefined;

  constructor(options: UdpGatewayOptions, dependencies: UdpGatewayDependencies) {
    const { node, limits, handshakesPerSecond } = options;
    const { identity, random, clock, counters } = dependencies;
    const now = clock.now();
    this.limits = limits;
    this.dependencies = dependencies;
    this.random = (count) => random.bytes(count);
    this.strangers = new Strangers(
      {
        node,
        handshakesPerSecond,
        idleTimeoutMs: limits.idleTimeoutMs,
        keepAcceptsMs: limits.handshakeTimeoutMs,
      },
      { identity, random, counters, now },
    );
    this.turns = new Turns({
      clock,
      turn: () => this.socket?.check(),
      fault: (connection, error) => this.giveUp(connection, error),
    });
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
    this.strangers.sweep(now, (id) => {
      const guest = this.guests.get(id);
      if (guest !== undefined) guest.attempt = "";
    });
    for (const [id, until] of this.ended) {
      if (until > now) break;
      this.ended.delete(id);
    }
    this.harvest();
    this.dependencies.counters.earlyBytes = STREAM_MEMORY_BYTES - this.streamMemory.available;
  }

  private harvest(): void {
    const { stats } = this;
    const { counters } = this.dependencies;
    for (const [from, to] of HARVESTED) {
      counters[to] += stats[from];
      stats[from] = 0;
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
    const { strangers } = this;
    const id = connectionIdOf(packet);
    const guest = id === undefined ? undefined : this.guests.get(id);
    if (guest === undefined) {
      // A client that closes answers what still comes to it with the same close.
      if (id !== undefined && this.ended.has(id)) return this.drop("late");
      return this.answer(strangers.unknown(packet, address, now), peerAt(address, port), now);
    }
    const { connection } = guest;
    const trusted = connection.isAt(address, port) && !connection.isDubious(now);
    if (!trusted && strangers.isFlooding(address, now)) return this.drop("flood");
    try {
      const received = connection.receive(packet, address, port, now);
      if (received === "taken") return this.turns.plan();
      this.drop(received);
      // Networks repeat packets, too; nobody is held to account for that.
      if (received === "not-genuine") strangers.unprovenFrom(address, now);
    } catch (error) {
      this.giveUp(connection, error);
    }
  }

  private initiate(packet: Uint8Array, address: string, port: number, now: number): void {
    const peer = peerAt(address, port);
    this.answer(
      this.strangers.initiate(packet, peer, now, () => this.newId()),
      peer,
      now,
    );
  }

  private answer(answer: StrangerAnswer, peer: Peer, now: number): void {
    switch (answer.type) {
      case "drop":
        return this.drop(answer.why);
      case "send":
        return this.transmit(answer.packet, peer);
      case "accept":
        return this.accept(answer, peer, now);
    }
  }

  private accept(
    { connectionId, keys, attempt, packet }: Extract<StrangerAnswer, { type: "accept" }>,
    peer: Peer,
    now: number,
  ): void {
    const { turns, random: randomBytes, streamMemory, stats } = this;
    const { rooms } = this.dependencies;
    const { deadlines } = turns;
    this.makeRoom();
    const connection = new UdpConnection(
      { id: connectionId, peer, maxMessageBytes: this.limits.maxMessageBytes },
      { keys, host: this, deadlines, now, randomBytes, streamMemory, stats },
    );
    const place = rooms.admit(connection);
    if (place === undefined) return this.drop("no-room");
    const guest: Guest = { connection, place, attempt };
    this.guests.set(connectionId, guest);
    this.unconfirmed.add(guest);
    this.countUnconfirmed();
    this.strangers.keep({ attempt, packet, connectionId }, now);
    this.transmit(packet, peer);
  }

  /**
   * Whoever has been silent for longest gives way: a client speaks a round trip after its accept, while who
   * only makes handshakes would keep everybody else out.
   */
  private makeRoom(): void {
    if (this.unconfirmed.size < this.limits.unconfirmedConnections) return;
    const [oldest] = this.unconfirmed;
    this.drop("no-room");
    oldest?.connection.destroy();
  }

  private countUnconfirmed(): void {
    this.dependencies.counters.unconfirmed = this.unconfirmed.size;
  }

  private newId(): number {
    for (;;) {
      let id = 0;
      for (const byte of this.random(CONNECTION_ID_BYTES)) id = id * 256 + byte;
      if (!this.guests.has(id) && !this.ended.has(id)) return id;
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
    this.unconfirmed.delete(guest);
    this.countUnconfirmed();
    this.strangers.heard(guest.attempt);
    return guest.place.enter();
  }

  gone(connection: UdpConnection): void {
    const { clock } = this.dependencies;
    const guest = this.guests.get(connection.id);
    if (guest === undefined) return;
    this.guests.delete(connection.id);
    if (connection.closedByPeer && this.ended.size < MAX_LATE)
      this.ended.set(connection.id, clock.now() + LATE_MS);
    this.strangers.forget(guest.attempt);
    this.harvest();
    this.unconfirmed.delete(guest);
    this.countUnconfirmed();
    guest.place.leave();
  }
}
