import {
  DatagramConnection,
  type DatagramEvents,
  type DatagramStats,
  type PacketKeys,
  type StreamMemory,
} from "@atlasnet/udp";
import { type CloseCode, closeCodes } from "@atlasnet/world";
import type {
  ClientConnection,
  ClientEvents,
  DatagramPort,
  SentUpdates,
} from "../client-connection.ts";
import type { DeadlineEntry, Deadlines } from "./deadlines.ts";
import { type Peer, peerAt, peerOf } from "./peer.ts";

/** What IP and UDP put around a packet; counted against the raw byte rate, or tiny packets were free. */
const PACKET_OVERHEAD_BYTES = 28;

/** Forged packets within a second after which a connection's own address is no excuse any more. */
const DUBIOUS_PACKETS = 50;
const DUBIOUS_WINDOW_MS = 1_000;

export interface UdpConnectionOptions {
  /** Below 2^48. */
  id: number;
  peer: Peer;
  maxMessageBytes: number;
}

/** What a connection asks of the gateway. */
export interface UdpConnectionHost {
  transmit(packet: Uint8Array, peer: Peer): void;
  /** Something waits for `flush`. */
  dirty(connection: UdpConnection): void;
  /** The client sent its first genuine packet: gives who listens to it from now on. */
  confirmed(connection: UdpConnection): ClientEvents;
  /** The connection is over. Called once. */
  gone(connection: UdpConnection): void;
}

export interface UdpConnectionDependencies {
  keys: PacketKeys;
  host: UdpConnectionHost;
  /** The clocks of all connections; the host calls `wake` when the one of this is due. */
  deadlines: Deadlines<UdpConnection>;
  now: number;
  randomBytes: (count: number) => Uint8Array;
  streamMemory: StreamMemory;
  /** Counts for all connections. */
  stats: DatagramStats;
}

/** What became of a packet. */
export type Received = "taken" | "repeated" | "not-genuine";

/** One client over UDP, from the accept on (docs/protocol.md, section 11). */
export class UdpConnection implements ClientConnection, DatagramPort, DatagramEvents<SentUpdates> {
  readonly transport = "udp";
  readonly framing = "length";
  readonly datagrams: DatagramPort = this;
  readonly id: number;
  /** Of genuine packets, with what the network adds to each. */
  bytesRead = 0;
  /** The client said that it closes: it knows, whatever it still sends. */
  closedByPeer = false;
  private readonly host: UdpConnectionHost;
  private readonly deadlines: Deadlines<UdpConnection>;
  private readonly deadline: DeadlineEntry<UdpConnection>;
  private readonly datagram: DatagramConnection<SentUpdates>;
  /** Where packets go. */
  private peer: Peer;
  /** Where a packet came from that was not `peer`. */
  private other: Peer | undefined;
  private events: ClientEvents | undefined;
  private over = false;
  /** Packets in this connection's name that were not genuine, and since when they are counted. */
  private forged = 0;
  private forgedSince = 0;

  constructor(options: UdpConnectionOptions, dependencies: UdpConnectionDependencies) {
    const { host, keys, now, randomBytes, streamMemory, stats } = dependencies;
    this.id = options.id;
    this.peer = options.peer;
    this.host = host;
    this.deadlines = dependencies.deadlines;
    this.deadline = this.deadlines.entry(this);
    this.datagram = new DatagramConnection<SentUpdates>(
      {
        role: "server",
        connectionId: options.id,
        maxItemBytes: options.maxMessageBytes,
        path: options.peer.path,
      },
      {
        keys,
        now,
        randomBytes,
        streamMemory,
        stats,
        events: this,
      },
    );
  }

  // What the datagrams tell.

  transmit(packet: Uint8Array, path: string): void {
    this.host.transmit(packet, this.peerOf(path));
  }

  item(item: Uint8Array): void {
    this.listener()?.message(item);
  }

  updatesLost(sent: SentUpdates): void {
    this.events?.updatesLost(sent);
  }

  moved(path: string): void {
    this.peer = this.peerOf(path);
    this.other = undefined;
  }

  failed(code: "bad-message" | "too-large", reason: string): void {
    this.listener()?.violation(code, reason);
  }

  closed(): void {
    this.closedByPeer = true;
    this.destroy();
  }

  dirty(): void {
    this.host.dirty(this);
  }

  // The gateway's side.

  get writable(): boolean {
    return !this.over;
  }

  /** True when packets go to this address: what comes from there needs no proof of its own. */
  isAt(address: string, port: number): boolean {
    return this.peer.port === port && this.peer.address === address;
  }

  receive(packet: Uint8Array, address: string, port: number, now: number): Received {
    const { datagram } = this;
    const { stats } = datagram;
    const refused = stats.packetsRefused;
    if (!datagram.receive(packet, this.pathOf(address, port), now))
      return stats.packetsRefused === refused ? "repeated" : this.refused(now);
    this.bytesRead += packet.length + PACKET_OVERHEAD_BYTES;
    this.listener();
    this.planWake();
    return "taken";
  }

  private refused(now: number): Received {
    if (now - this.forgedSince >= DUBIOUS_WINDOW_MS) {
      this.forged = 0;
      this.forgedSince = now;
    }
    this.forged += 1;
    return "not-genuine";
  }

  /** True while much comes in its name that is not genuine. */
  isDubious(now: number): boolean {
    return this.forged >= DUBIOUS_PACKETS && now - this.forgedSince < DUBIOUS_WINDOW_MS;
  }

  flush(now: number): void {
    if (this.over) return;
    this.datagram.flush(now);
    this.planWake();
  }

  wake(now: number): void {
    if (this.over) return;
    this.datagram.wake(now);
    this.planWake();
  }

  private planWake(): void {
    this.deadlines.set(this.deadline, this.over ? Number.POSITIVE_INFINITY : this.datagram.wakeAt);
  }

  /** Ends without a word. */
  destroy(): void {
    if (this.over) return;
    this.over = true;
    this.datagram.dispose();
    this.planWake();
    this.host.gone(this);
    this.events?.closed();
  }

  /** Who hears of the client; a client that was not heard before is introduced first. */
  private listener(): ClientEvents | undefined {
    if (this.events === undefined && !this.over) this.events = this.host.confirmed(this);
    return this.over ? undefined : this.events;
  }

  private pathOf(address: string, port: number): string {
    if (this.isAt(address, port)) return this.peer.path;
    if (this.other?.port !== port || this.other.address !== address)
      this.other = peerAt(address, port);
    return this.other.path;
  }

  private peerOf(path: string): Peer {
    if (path === this.peer.path) return this.peer;
    return path === this.other?.path ? this.other : peerOf(path);
  }

  // The session's side.

  get remoteAddress(): string {
    return this.peer.address;
  }

  get closing(): boolean {
    return this.over || this.datagram.closing;
  }

  get backlogBytes(): number {
    return this.datagram.backlogBytes;
  }

  get maxUpdatesBytes(): number {
    return this.datagram.maxUpdatesBytes;
  }

  send(item: Uint8Array): void {
    if (!this.closing) this.datagram.send(item);
  }

  sendFrames(bytes: Uint8Array): void {
    if (!this.closing) this.datagram.sendFrames(bytes);
  }

  sendUpdates(packed: Uint8Array, sent: SentUpdates): void {
    if (!this.closing) this.datagram.sendUpdates(packed, sent);
  }

  close(code: CloseCode, reason: string): void {
    if (!this.closing) this.datagram.close(closeCodes[code].code, reason);
  }

  pause(): void {
    if (!this.closing) this.datagram.pause();
  }

  resume(): void {
    if (!this.closing) this.datagram.resume();
  }
}
