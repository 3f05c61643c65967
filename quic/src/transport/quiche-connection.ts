import type { Timer } from "@atlasnet/core";
import { formatAddress, type HostPort } from "./address.ts";
import type { NativeConnection } from "./binding.ts";
import {
  CONNECTION_REFUSED,
  encodeReason,
  nativeReason,
  PROTOCOL_VIOLATION,
} from "./close-reason.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { CONNECTION_ID_BYTES, isLongHeader } from "./connection-id.ts";
import { PacketSizeProber } from "./packet-size-prober.ts";
import { PeerStreams } from "./peer-streams.ts";
import type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
  QuicConnectionStats,
} from "./quic-connection.ts";
import { isBesideQuic } from "./size-probe.ts";

/** UDP payload every path of today carries; connections begin with it. */
export const BASE_PACKET_BYTES = 1350;

/** Packets one connection sends in a turn; then others have theirs, and it goes on in the next. */
export const MAX_PACKETS_PER_TURN = 32;

/** Of a packet with one datagram: first byte, id, packet number, seal, and the frame's type and length. */
const DATAGRAM_OVERHEAD_BYTES = 32;

/** A stream that was full is offered again when it takes so much. */
const WRITABLE_BYTES = 1024;

/** Timers of the QUIC layer are whole milliseconds, rounded down. */
const TIMER_ROUNDING_MS = 1;

const KEEP_ALIVES_PER_TIMEOUT = 3;

/** A close is one packet; in the handshake there may be one of each of its stages. */
const MAX_CLOSE_PACKETS = 4;

/** How long after our close a peer that did not hear of it is told again. */
const LINGER_MS = 1000;

type Phase =
  /** The handshake is under way; there may be no native connection yet. */
  | "opening"
  | "open"
  /** `close` is to be told to the peer and to our listener. */
  | "ending"
  /** Our listener knows; late packets of the peer are still recognized. */
  | "lingering"
  | "freed";

/**
 * One connection over the native quiche.
 *
 * 1. Events are raised from `flush` only, and never after `closed`.
 * 2. The native object is let go when quiche is done with it; nothing points here then.
 * 3. Whatever the native side throws ends this connection at worst.
 */
export class QuicheConnection implements QuicConnection {
  readonly #host: ConnectionHost;
  /** True when this side began it. */
  readonly dialler: boolean;
  readonly #streams: PeerStreams;
  readonly #deadline: number;
  readonly #baseBytes: number;
  readonly #ownStreams = new Set<number>();
  readonly #blocked = new Set<number>();
  #events: QuicConnectionEvents | undefined;
  #native: NativeConnection | undefined;
  #to: HostPort;
  #path: { from: HostPort; to: HostPort };
  #phase: Phase = "opening";
  #reason: QuicCloseReason | undefined;
  #established = false;
  /** Nothing of the handshake is under way any more: the peer speaks with the keys of the connection. */
  #confirmed = false;
  #received = false;
  #packetBytes: number;
  #prober: PacketSizeProber | undefined;
  #probing = false;
  /** The next packets are small: larger ones may be what gets lost. */
  #cautious = false;
  #lostSeen = 0;
  #lastSent: number;
  #timer: Timer | undefined;
  #timerAt = 0;
  #closePacket: Buffer | undefined;
  #packetsAfterClose = 0;
  #lingerUntil = 0;
  #lastStats: QuicConnectionStats | undefined;
  #packetsSent = 0;
  #packetsReceived = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  /** For the endpoint: waits in its list for `flush`. */
  scheduled = false;
  peerCertificates: readonly Uint8Array[] = [];

  constructor(to: HostPort, dialler: boolean, host: ConnectionHost) {
    this.#to = to;
    this.#host = host;
    this.dialler = dialler;
    this.#path = { from: to, to: host.local };
    const now = host.clock.now();
    this.#deadline = now + host.options.handshakeTimeoutMs;
    this.#lastSent = now;
    this.#baseBytes = Math.min(BASE_PACKET_BYTES, host.options.maxPacketBytes);
    this.#packetBytes = this.#baseBytes;
    this.#streams = new PeerStreams(
      { firstId: dialler ? 3 : 2, maxStreams: host.options.maxStreams },
      {
        arena: host.arena,
        sink: {
          bytes: (stream, bytes) => this.#events?.stream(stream, bytes),
          ended: (stream) => this.#events?.streamEnded(stream),
          tooMany: () => this.#violation(`more than ${host.options.maxStreams} streams`),
          open: () => this.#isOpen(),
        },
      },
    );
  }

  get remote(): string {
    return formatAddress(this.#to);
  }

  /** Who hears of this connection; before the first `flush`. */
  listen(events: QuicConnectionEvents): void {
    this.#events = events;
  }

  /** The handshake begins. */
  begin(native: NativeConnection, to: HostPort): void {
    this.#native = native;
    this.#to = to;
    this.#path = { from: to, to: this.#host.local };
    this.#host.schedule(this);
  }

  /** There are too many: the client is told, our listener never hears of it. */
  refuse(): void {
    // Our part of the handshake goes first: without it the client could not read why it is refused.
    this.flush();
    this.#end({ by: "transport", code: CONNECTION_REFUSED, reason: "too many connections" }, false);
  }

  /** Ends an attempt that could not begin. */
  fail(reason: string): void {
    this.#end({ by: "unreachable", code: 0, reason }, false);
  }

  isFrom(address: string, port: number): boolean {
    return port === this.#to.port && address === this.#to.host;
  }

  receive(packet: Buffer): void {
    if (this.#phase === "lingering") return this.#repeatClose();
    const native = this.#native;
    if (native === undefined) return;
    this.#packetsReceived += 1;
    this.#bytesReceived += packet.length;
    if (isBesideQuic(packet)) {
      if (this.#prober?.receive(packet) !== true) this.#host.counters.dropped.malformed += 1;
      return;
    }
    try {
      native.recv(packet, this.#path);
      this.#confirmed ||= this.#established && !isLongHeader(packet);
    } catch {
      // Forged, damaged or against the rules; in the last case quiche closes and says so below.
      this.#host.counters.dropped.unreadable += 1;
    }
    this.#received = true;
    this.#host.schedule(this);
  }

  openStream(urgency: number): number {
    const native = this.#native;
    if (!this.#isOpen() || native === undefined)
      throw new RangeError("a stream opens between established and closed only");
    const id = (this.dialler ? 2 : 3) + 4 * this.#ownStreams.size;
    if (native.peerStreamsLeftUni() === 0)
      throw new RangeError(`the peer takes no more than ${this.#ownStreams.size} streams`);
    native.streamPriority(id, urgency, true);
    this.#ownStreams.add(id);
    return id;
  }

  write(stream: number, bytes: Uint8Array): number {
    if (!this.#ownStreams.has(stream)) throw new RangeError(`stream ${stream} is not ours`);
    if (!this.#isOpen()) return 0;
    const taken = this.#send(stream, bytes);
    if (taken < bytes.length) this.#blocked.add(stream);
    this.#host.schedule(this);
    return taken;
  }

  sendDatagram(bytes: Uint8Array): boolean {
    if (!this.#isOpen()) return false;
    const native = this.#native;
    if (
      native === undefined ||
      bytes.length > this.#packetBytes - DATAGRAM_OVERHEAD_BYTES ||
      native.isDgramSendQueueFull()
    ) {
      this.#host.counters.datagramsDropped += 1;
      return false;
    }
    try {
      native.dgramSend(bytes);
    } catch {
      this.#host.counters.datagramsDropped += 1;
      return false;
    }
    this.#host.schedule(this);
    return true;
  }

  close(code: number, reason: string): void {
    this.#end({ by: "self", code, reason }, true);
  }

  get stats(): QuicConnectionStats {
    if (this.#lastStats !== undefined) return this.#lastStats;
    const native = this.#native;
    return {
      rttMs: native?.pathStats()[0]?.rtt ?? 0,
      packetBytes: this.#packetBytes,
      packetsSent: this.#packetsSent,
      packetsReceived: this.#packetsReceived,
      packetsLost: native?.stats().lost ?? 0,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
    };
  }

  /** Reads what came, raises events, sends what there is to send. */
  flush(): void {
    const native = this.#native;
    if (native === undefined) return this.#raiseClosed();
    if (this.#received) {
      this.#received = false;
      this.#read(native);
    }
    if (this.#blocked.size > 0 && this.#isOpen()) this.#offerRoom(native);
    if (this.#phase === "opening" || this.#isOpen()) this.#sendPackets(native);
    this.#settle(native);
  }

  /** Called a few times within each idle timeout. */
  sweep(now: number): void {
    if (this.#phase === "opening" && now >= this.#deadline) {
      const waited = Math.round(this.#host.options.handshakeTimeoutMs);
      const what = this.#packetsReceived === 0 ? "no answer" : "the handshake was not done";
      return this.#end(
        { by: "unreachable", code: 0, reason: `${what} within ${waited} ms` },
        false,
      );
    }
    const native = this.#native;
    if (this.#phase === "lingering" && now >= this.#lingerUntil && native === undefined)
      this.#free();
    if (!this.#isOpen() || native === undefined) return;
    const { lost } = native.stats();
    if (lost > this.#lostSeen) this.#prober?.doubt();
    this.#lostSeen = lost;
    this.#prober?.tick();
    const pause = this.#host.options.idleTimeoutMs / KEEP_ALIVES_PER_TIMEOUT;
    if (now - this.#lastSent < pause) return;
    native.sendAckEliciting();
    this.#host.schedule(this);
  }

  #isOpen(): boolean {
    return this.#phase === "open";
  }

  #end(reason: QuicCloseReason, application: boolean): void {
    if (this.#phase !== "opening" && this.#phase !== "open") return;
    this.#phase = "ending";
    this.#reason = reason;
    if (this.#native !== undefined) this.#sendClose(this.#native, reason, application);
    this.#host.schedule(this);
  }

  #sendClose(native: NativeConnection, { code, reason }: QuicCloseReason, application: boolean) {
    // With anything of the handshake left to send, quiche 0.18 never gets to the close, and would write
    // packets without it for ever. Afterwards the close goes before all that is queued.
    if (!this.#confirmed) this.#sendPackets(native);
    try {
      native.close(application, code, encodeReason(reason));
    } catch {
      // It had ended by itself; ours is the reason that is told.
      this.#host.counters.nativeErrors += 1;
    }
    for (let count = 0; count < MAX_CLOSE_PACKETS && !native.isDraining(); count++) {
      const out = this.#host.outgoing(this.#baseBytes);
      const length = this.#nextPacket(native, out);
      if (length === 0) return;
      this.#closePacket = Buffer.from(out.subarray(0, length));
      this.#transmit(length, this.#sent);
    }
  }

  #violation(what: string): void {
    if (this.#phase !== "opening" && this.#phase !== "open") return;
    this.#host.counters.violations += 1;
    this.#end({ by: "transport", code: PROTOCOL_VIOLATION, reason: what }, false);
  }

  #send(stream: number, bytes: Uint8Array): number {
    try {
      return this.#native?.streamSend(stream, bytes, false) ?? 0;
    } catch (error) {
      // `StreamStopped`: a peer that does not want our bytes is no peer.
      this.#violation(`stream ${stream}: ${error instanceof Error ? error.message : "refused"}`);
      return 0;
    }
  }

  #read(native: NativeConnection): void {
    if (this.#phase === "opening" && native.isEstablished()) {
      this.#phase = "open";
      this.#established = true;
      this.#confirmed = !this.dialler;
      this.#host.counters.handshakesDone += 1;
      this.peerCertificates = native.peerCertChain() ?? [];
      this.#prober = this.#createProber(native);
      this.#events?.established();
    } else if (!this.#probing) {
      // Not sooner: the server is established, and answers, only after the client's last packet.
      this.#probing = true;
      this.#prober?.tick();
    }
    if (!this.#isOpen()) return;
    this.#readDatagrams(native);
    if (this.#streams.read(native)) {
      this.#received = true;
      this.#host.schedule(this);
    }
    if (this.#isOpen()) this.#events?.turn();
  }

  #createProber(native: NativeConnection): PacketSizeProber | undefined {
    const host = this.#host;
    const peerId = native.destinationId();
    if (peerId.length !== CONNECTION_ID_BYTES) return undefined;
    const limit = Math.min(
      host.options.maxPacketBytes,
      native.stats().peerMaxUdpPayloadSize,
      host.pathLimit(this.#to.host),
    );
    return new PacketSizeProber(
      { base: this.#packetBytes, limit, peerId },
      {
        host,
        transmit: (length, done) => this.#transmit(length, done),
        use: (bytes) => this.#usePacketBytes(native, bytes),
      },
    );
  }

  #usePacketBytes(native: NativeConnection, bytes: number): void {
    this.#packetBytes = bytes;
    // What does not fit any more would stand before all others for ever.
    const most = bytes - DATAGRAM_OVERHEAD_BYTES;
    if (native.dgramSendQueueLen() === 0) return;
    native.dgramPurgeOutgoing((datagram) => datagram.length > most);
  }

  #readDatagrams(native: NativeConnection): void {
    const arena = this.#host.arena;
    while (this.#isOpen()) {
      const count = native.dgramRecv(arena.room());
      if (count === null) return;
      this.#events?.datagram(arena.take(count));
    }
  }

  #offerRoom(native: NativeConnection): void {
    let room = false;
    for (const stream of this.#blocked) {
      if (!hasRoom(native, stream)) continue;
      this.#blocked.delete(stream);
      room = true;
    }
    if (room) this.#events?.writable();
  }

  #sendPackets(native: NativeConnection): void {
    const bytes = this.#cautious ? this.#baseBytes : this.#packetBytes;
    this.#cautious = false;
    for (let count = 0; count < MAX_PACKETS_PER_TURN; count++) {
      const out = this.#host.outgoing(bytes);
      const length = this.#nextPacket(native, out);
      if (length === 0) return;
      this.#lastSent = this.#host.clock.now();
      this.#transmit(length, this.#sent);
    }
    this.#host.schedule(this);
  }

  #nextPacket(native: NativeConnection, out: Buffer): number {
    try {
      return native.send(out)?.[0] ?? 0;
    } catch (error) {
      this.#host.counters.nativeErrors += 1;
      const reason = error instanceof Error ? error.message : String(error);
      this.#end({ by: "transport", code: 0, reason: `cannot send: ${reason}` }, false);
      return 0;
    }
  }

  #transmit(length: number, done: (error: Error | null) => void): void {
    this.#packetsSent += 1;
    this.#bytesSent += length;
    this.#host.transmit(length, this.#to, done);
  }

  readonly #sent = (error: Error | null): void => {
    if (error === null) return;
    this.#host.counters.sendErrors += 1;
    this.#prober?.sent(this.#packetBytes, error);
  };

  /** The peer did not hear that we closed: it is told again, ever more seldom. */
  #repeatClose(): void {
    const packet = this.#closePacket;
    this.#packetsAfterClose += 1;
    const power = (this.#packetsAfterClose & (this.#packetsAfterClose - 1)) === 0;
    if (packet === undefined || !power) return;
    packet.copy(this.#host.outgoing(packet.length));
    this.#transmit(packet.length, this.#sent);
  }

  #settle(native: NativeConnection): void {
    const over = native.isClosed();
    if (this.#phase === "ending" || over || native.isDraining()) this.#raiseClosed();
    // The close was sent, or cannot be.
    const stuck = this.#phase === "lingering" && !native.isDraining();
    const timeout = over || stuck ? null : native.timeout();
    if (timeout !== null) return this.#arm(timeout + TIMER_ROUNDING_MS);
    this.#release();
    // With a peer that closed, or is gone, there is nothing left to talk about.
    if (this.#closePacket === undefined) this.#free();
  }

  /** A timer that is due sooner stays: when it fires it looks again. */
  #arm(ms: number): void {
    const at = this.#host.clock.now() + ms;
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#host.clock.setTimer(ms, this.#fire);
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    const native = this.#native;
    if (native === undefined) return;
    if (native.timeout() === 0) {
      native.onTimeout();
      this.#cautious = true;
      this.#prober?.doubt();
    }
    this.#host.schedule(this);
  };

  #raiseClosed(): void {
    if (this.#phase === "lingering" || this.#phase === "freed") return;
    const native = this.#native;
    if (native === undefined && this.#phase === "opening") return;
    this.#phase = "lingering";
    this.#lingerUntil = this.#host.clock.now() + LINGER_MS;
    this.#host.closed(this);
    if (!this.#established) this.#host.counters.handshakesFailed += 1;
    const unknown = { by: "unreachable", code: 0, reason: "ended before it began" } as const;
    const reason = native === undefined ? unknown : nativeReason(native, this.#established);
    this.#events?.closed(this.#reason ?? reason);
    this.#events = undefined;
    if (native === undefined) this.#free();
  }

  /** The QUIC layer is done with it. */
  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#lastStats = this.stats;
    this.#native = undefined;
    this.#prober = undefined;
  }

  /** Lets everything go, at once. */
  #free(): void {
    this.#phase = "freed";
    this.#release();
    this.#host.freed(this);
  }

  /** The endpoint closes: what is queued leaves, nothing lingers. */
  abandon(): void {
    this.flush();
    if (this.#phase !== "freed") this.#free();
  }
}

function hasRoom(native: NativeConnection, stream: number): boolean {
  try {
    return native.streamCapacity(stream) >= WRITABLE_BYTES;
  } catch {
    // The next write finds out what is wrong with it.
    return true;
  }
}
