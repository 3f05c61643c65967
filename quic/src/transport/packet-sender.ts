import type { HostPort } from "./address.ts";
import type { NativeConnection } from "./binding.ts";
import { encodeReason } from "./close-reason.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { CONNECTION_ID_BYTES } from "./connection-id.ts";
import { PacketSizeProber } from "./packet-size-prober.ts";

/** UDP payload every path of today carries; connections begin with it. */
export const BASE_PACKET_BYTES = 1350;

/** Packets one connection sends in a turn; then others have theirs, and it goes on in the next. */
export const MAX_PACKETS_PER_TURN = 32;

/** Of a packet with one datagram: first byte, id, packet number, seal, and the frame's type and length. */
const DATAGRAM_OVERHEAD_BYTES = 32;

/** A close is one packet; in the handshake there may be one of each of its stages. */
const MAX_CLOSE_PACKETS = 4;

interface CloseOptions {
  readonly application: boolean;
  readonly code: number;
  readonly reason: string;
  /** Nothing of the handshake is under way. */
  readonly confirmed: boolean;
}

/** What leaves a connection, in packets of the size its path carries. */
export class PacketSender {
  private readonly host: ConnectionHost;
  private readonly baseBytes: number;
  private to: HostPort;
  private bytesInUse: number;
  private prober: PacketSizeProber | undefined;
  private searching = false;
  /** The next packets are small: larger ones may be what gets lost. */
  private cautious = false;
  private lostSeen = 0;
  private closePacket: Buffer | undefined;
  private closesAsked = 0;
  packets = 0;
  bytes = 0;
  lastAt: number;

  constructor(to: HostPort, host: ConnectionHost) {
    this.to = to;
    this.host = host;
    this.baseBytes = Math.min(BASE_PACKET_BYTES, host.options.maxPacketBytes);
    this.bytesInUse = this.baseBytes;
    this.lastAt = host.clock.now();
  }

  get packetBytes(): number {
    return this.bytesInUse;
  }

  get maxDatagramBytes(): number {
    return this.bytesInUse - DATAGRAM_OVERHEAD_BYTES;
  }

  /** A close was sent, and can be repeated. */
  get hasClosed(): boolean {
    return this.closePacket !== undefined;
  }

  /** The address that was found for a name. */
  direct(to: HostPort): void {
    this.to = to;
  }

  /** Sends what there is; true: there is more, for the next turn. @throws Error when the QUIC layer fails. */
  pump(native: NativeConnection): boolean {
    const size = this.cautious ? this.baseBytes : this.bytesInUse;
    this.cautious = false;
    for (let count = 0; count < MAX_PACKETS_PER_TURN; count++) {
      const packet = native.send(this.host.outgoing(size));
      if (packet === null) return false;
      this.lastAt = this.host.clock.now();
      this.transmit(packet[0], this.sent);
    }
    return true;
  }

  /** Closes and sends the packet that says so, before all that is queued. @throws Error when the QUIC layer fails. */
  close(native: NativeConnection, { application, code, reason, confirmed }: CloseOptions): void {
    // With anything of the handshake left to send, quiche 0.18 never gets to the close, and would write
    // packets without it for ever.
    if (!confirmed) this.pump(native);
    native.close(application, code, encodeReason(reason));
    for (let count = 0; count < MAX_CLOSE_PACKETS && !native.isDraining(); count++) {
      const out = this.host.outgoing(this.baseBytes);
      const packet = native.send(out);
      if (packet === null) return;
      this.closePacket = Buffer.from(out.subarray(0, packet[0]));
      this.transmit(packet[0], this.sent);
    }
  }

  /** A packet came after our close: the peer is told again, ever more seldom. */
  repeatClose(): void {
    const packet = this.closePacket;
    this.closesAsked += 1;
    const isPowerOfTwo = (this.closesAsked & (this.closesAsked - 1)) === 0;
    if (packet === undefined || !isPowerOfTwo) return;
    packet.copy(this.host.outgoing(packet.length));
    this.transmit(packet.length, this.sent);
  }

  /** Begins to look for a larger size, when both sides are established. */
  search(native: NativeConnection): void {
    if (this.searching) return;
    this.searching = true;
    this.probing(native).tick();
  }

  /** A packet that is none of QUIC's. */
  receiveBeside(native: NativeConnection, packet: Buffer): void {
    // The peer may be established a little sooner than this side is told.
    if (native.isEstablished() && this.probing(native).receive(packet)) return;
    this.host.counters.dropped.malformed += 1;
  }

  private probing(native: NativeConnection): PacketSizeProber {
    if (this.prober !== undefined) return this.prober;
    const host = this.host;
    const peerId = native.destinationId();
    const limit = Math.min(
      host.options.maxPacketBytes,
      native.stats().peerMaxUdpPayloadSize,
      host.pathLimit(this.to.host),
    );
    this.prober = new PacketSizeProber(
      // A peer with ids of another kind is none of ours, and would not answer.
      { base: this.baseBytes, limit: peerId.length === CONNECTION_ID_BYTES ? limit : 0, peerId },
      {
        host,
        transmit: (length, done) => this.transmit(length, done),
        use: (bytes) => this.use(native, bytes),
      },
    );
    return this.prober;
  }

  /** A timer of the QUIC layer was due: something was not acknowledged in time. */
  timedOut(): void {
    this.cautious = true;
    this.prober?.doubt();
  }

  /** Called a few times within each idle timeout. */
  sweep(native: NativeConnection): void {
    if (this.prober === undefined || !this.searching) return;
    const { lost } = native.stats();
    if (lost > this.lostSeen) this.prober.doubt();
    this.lostSeen = lost;
    this.prober.tick();
  }

  /** The native connection is let go. */
  release(): void {
    this.prober = undefined;
  }

  private use(native: NativeConnection, bytes: number): void {
    this.bytesInUse = bytes;
    if (native.dgramSendQueueLen() === 0) return;
    // What does not fit any more would stand before all others for ever.
    const most = this.maxDatagramBytes;
    const before = native.dgramSendQueueLen();
    native.dgramPurgeOutgoing((datagram) => datagram.length > most);
    this.host.counters.datagramsDropped += before - native.dgramSendQueueLen();
  }

  private transmit(length: number, done: (error: Error | null) => void): void {
    this.packets += 1;
    this.bytes += length;
    this.host.transmit(length, this.to, done);
  }

  private readonly sent = (error: Error | null): void => {
    if (error === null) return;
    this.host.counters.sendErrors += 1;
    this.prober?.sent(this.bytesInUse, error);
  };
}
