import type { Timer } from "@atlasnet/core";
import { formatAddress, type HostPort } from "./address.ts";
import type { NativeConnection } from "./binding.ts";
import {
  CONNECTION_REFUSED,
  INTERNAL_ERROR,
  nativeReason,
  PROTOCOL_VIOLATION,
} from "./close-reason.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { isLongHeader } from "./connection-id.ts";
import { LazyTimer } from "./lazy-timer.ts";
import { OwnStreams } from "./own-streams.ts";
import { PacketSender } from "./packet-sender.ts";
import { PeerStreams } from "./peer-streams.ts";
import type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
  QuicConnectionStats,
} from "./quic-connection.ts";
import { isBesideQuic } from "./size-probe.ts";

/** Timers of the QUIC layer are whole milliseconds, rounded down. */
const TIMER_ROUNDING_MS = 1;

const KEEP_ALIVES_PER_TIMEOUT = 3;

/**
 * An acknowledgement with nothing else to send waits so long for something to go with: most packets ask for
 * an answer that comes a moment later. quiche itself would send it at once. Less than the 25 ms that
 * a QUIC peer reckons with.
 */
export const LATE_ACK_MS = 5;

/** Packets that are acknowledged at once when they came without anything being sent, so that a sender's window opens. */
export const PACKETS_PER_ACK = 8;

/** How long after our close a peer that did not hear of it is told again. */
const LINGER_MS = 1000;

/**
 * Most bytes that a peer sends until the handshake is done; it takes about 5 KB, and a little more where packets
 * are lost. The QUIC layer keeps whatever a stranger writes into the handshake out of order, without a bound.
 */
export const MAX_HANDSHAKE_BYTES = 65_536;

/** Lowest ids of one-way streams. */
const CLIENT_STREAM = 2;
const SERVER_STREAM = 3;

type Phase =
  /** The handshake is under way; there may be no native connection yet. */
  | "opening"
  | "open"
  /** `close` was sent and our listener is to be told. */
  | "ending"
  /** Our listener knows; late packets of the peer are still recognized. */
  | "lingering"
  | "freed";

/**
 * One connection over the native quiche.
 *
 * 1. Events are raised from `flush` only, and never after `closed`.
 * 2. The native object is let go when quiche is done with it; nothing points here a little later.
 * 3. Whatever the native side throws ends this connection at worst.
 */
export class QuicheConnection implements QuicConnection {
  private readonly host: ConnectionHost;
  /** True when this side began it. */
  readonly dialler: boolean;
  private readonly peerStreams: PeerStreams;
  private readonly ownStreams: OwnStreams;
  private readonly sender: PacketSender;
  private readonly timer: LazyTimer;
  private readonly deadline: number;
  private events: QuicConnectionEvents | undefined;
  private native: NativeConnection | undefined;
  private to: HostPort;
  private path: { from: HostPort; to: HostPort };
  private phase: Phase = "opening";
  private reason: QuicCloseReason | undefined;
  private established = false;
  /** Nothing of the handshake is under way any more: the peer speaks with the keys of the connection. */
  private confirmed = false;
  private received = false;
  /** Packets that came since anything was sent. */
  private unanswered = 0;
  private unansweredSince = 0;
  /** There may be more to send than acknowledgements. */
  private hasOutput = true;
  private lateAck: Timer | undefined;
  /** Events are being raised. */
  private listening = false;
  private lingerUntil = 0;
  private packetsReceived = 0;
  private bytesReceived = 0;
  private lastStats: QuicConnectionStats | undefined;
  /** The endpoint's: it waits to be flushed. */
  scheduled = false;
  /** The endpoint's: by what it finds the packets of this connection. */
  key: string | undefined;
  peerCertificates: readonly Uint8Array[] = [];

  constructor(to: HostPort, dialler: boolean, host: ConnectionHost) {
    const { maxStreams, handshakeTimeoutMs } = host.options;
    this.to = to;
    this.host = host;
    this.dialler = dialler;
    this.path = { from: to, to: host.local };
    this.deadline = host.clock.now() + handshakeTimeoutMs;
    this.sender = new PacketSender(to, host);
    this.timer = new LazyTimer({ fired: () => this.timeout() }, { clock: host.clock });
    this.ownStreams = new OwnStreams({ firstId: dialler ? CLIENT_STREAM : SERVER_STREAM });
    this.peerStreams = new PeerStreams(
      { firstId: dialler ? SERVER_STREAM : CLIENT_STREAM, maxStreams },
      {
        arena: host.arena,
        sink: {
          bytes: (stream, bytes) => this.events?.stream(stream, bytes),
          ended: (stream) => this.events?.streamEnded(stream),
          tooMany: () => this.violation(`more than ${maxStreams} streams`),
          open: () => this.isOpen(),
        },
      },
    );
  }

  get remote(): string {
    return formatAddress(this.to);
  }

  get stats(): QuicConnectionStats {
    if (this.lastStats !== undefined) return this.lastStats;
    return {
      rttMs: this.native?.pathStats()[0]?.rtt ?? 0,
      packetBytes: this.sender.packetBytes,
      packetsSent: this.sender.packets,
      packetsReceived: this.packetsReceived,
      packetsLost: this.native?.stats().lost ?? 0,
      bytesSent: this.sender.bytes,
      bytesReceived: this.bytesReceived,
    };
  }

  openStream(urgency: number): number {
    const native = this.native;
    if (!this.isOpen() || native === undefined)
      throw new RangeError("a stream opens between established and closed only");
    return this.ownStreams.open(native, urgency);
  }

  write(stream: number, bytes: Uint8Array): number {
    const native = this.native;
    if (!this.isOpen() || native === undefined) return 0;
    this.hasOutput = true;
    this.wake();
    try {
      return this.ownStreams.write(native, stream, bytes);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      // `StreamStopped`: a peer that does not want our bytes is no peer.
      this.violation(`stream ${stream}: ${messageOf(error)}`);
      return 0;
    }
  }

  sendDatagram(bytes: Uint8Array): boolean {
    const native = this.native;
    if (!this.isOpen() || native === undefined) return false;
    if (bytes.length > this.sender.maxDatagramBytes || !queueDatagram(native, bytes)) {
      this.host.counters.datagramsDropped += 1;
      return false;
    }
    this.hasOutput = true;
    this.wake();
    return true;
  }

  close(code: number, reason: string): void {
    this.end({ by: "self", code, reason }, true);
  }

  /** Who hears of this connection; before the first `flush`. */
  listen(events: QuicConnectionEvents): void {
    this.events = events;
  }

  /** The handshake begins. */
  begin(native: NativeConnection, to: HostPort): void {
    this.native = native;
    this.to = to;
    this.path = { from: to, to: this.host.local };
    this.sender.direct(to);
    this.host.schedule(this);
  }

  /** There are too many: the client is told, our listener never hears of it. */
  refuse(): void {
    // Our part of the handshake goes first: without it the client could not read why it is refused.
    this.flush();
    this.end({ by: "transport", code: CONNECTION_REFUSED, reason: "too many connections" }, false);
  }

  /** Ends an attempt that could not begin. */
  fail(reason: string): void {
    this.end({ by: "unreachable", code: 0, reason }, false);
  }

  /** The endpoint closes: nothing lingers. */
  abandon(): void {
    this.close(0, "");
    this.flush();
    if (this.phase !== "freed") this.free();
  }

  isFrom(address: string, port: number): boolean {
    return port === this.to.port && address === this.to.host;
  }

  isOpening(): boolean {
    return this.phase === "opening";
  }

  receive(packet: Buffer): void {
    if (this.phase === "lingering") return this.sender.repeatClose();
    const native = this.native;
    if (native === undefined) return;
    this.packetsReceived += 1;
    this.bytesReceived += packet.length;
    if (this.phase === "opening" && this.bytesReceived > MAX_HANDSHAKE_BYTES)
      return this.violation(`more than ${MAX_HANDSHAKE_BYTES} bytes in the handshake`);
    if (isBesideQuic(packet)) return this.sender.receiveBeside(native, packet);
    const isShort = !isLongHeader(packet);
    try {
      native.recv(packet, this.path);
      // The end of the handshake has its own answers: tickets, ids, the word that it is done.
      if (!this.confirmed) this.hasOutput = true;
      this.confirmed ||= isShort;
    } catch {
      // Forged, damaged or against the rules; in the last case quiche closes and says so in `flush`.
      this.host.counters.dropped.unreadable += 1;
    }
    this.received = true;
    if (this.unanswered === 0) this.unansweredSince = this.host.clock.now();
    this.unanswered += 1;
    this.host.schedule(this);
  }

  /** Reads what came, raises events, sends what there is to send. */
  flush(): void {
    const native = this.native;
    if (native === undefined) return this.raiseClosed();
    this.listening = true;
    if (this.received) {
      this.received = false;
      this.read(native);
    }
    if (this.isOpen() && this.ownStreams.freed(native)) this.events?.writable();
    this.listening = false;
    if (this.phase === "opening" || this.isOpen()) this.sendInTime(native);
    this.settle(native);
  }

  /** Called a few times within each idle timeout. */
  sweep(now: number): void {
    const native = this.native;
    if (this.phase === "opening" && now >= this.deadline) {
      const what = this.packetsReceived === 0 ? "no answer" : "the handshake was not done";
      return this.fail(`${what} within ${this.host.options.handshakeTimeoutMs} ms`);
    }
    if (this.phase === "lingering" && native === undefined && now >= this.lingerUntil)
      return this.free();
    if (!this.isOpen() || native === undefined) return;
    this.sender.sweep(native);
    const pause = this.host.options.idleTimeoutMs / KEEP_ALIVES_PER_TIMEOUT;
    if (now - this.sender.lastAt < pause) return;
    this.attempt(() => native.sendAckEliciting());
    this.hasOutput = true;
    this.host.schedule(this);
  }

  /** What is written from within an event leaves with the same `flush`. */
  private wake(): void {
    if (!this.listening) this.host.schedule(this);
  }

  private isOpen(): boolean {
    return this.phase === "open";
  }

  private violation(what: string): void {
    if (!this.isOpen() && this.phase !== "opening") return;
    this.host.counters.violations += 1;
    this.end({ by: "transport", code: PROTOCOL_VIOLATION, reason: what }, false);
  }

  private end(reason: QuicCloseReason, application: boolean): void {
    if (this.phase !== "opening" && this.phase !== "open") return;
    this.phase = "ending";
    this.reason = reason;
    this.host.schedule(this);
    if (this.native === undefined) return;
    try {
      this.sender.close(this.native, { ...reason, application, confirmed: this.confirmed });
    } catch {
      // It had ended by itself, or cannot send; ours is the reason that is told.
      this.host.counters.nativeErrors += 1;
    }
  }

  private read(native: NativeConnection): void {
    if (this.phase === "opening" && native.isEstablished()) {
      this.phase = "open";
      this.established = true;
      this.confirmed ||= !this.dialler;
      this.host.counters.handshakesDone += 1;
      this.peerCertificates = native.peerCertChain() ?? [];
      this.events?.established();
    }
    if (!this.isOpen()) return;
    if (this.confirmed) this.sender.search(native);
    this.readDatagrams(native);
    if (this.peerStreams.read(native)) {
      this.received = true;
      this.host.schedule(this);
    }
    if (this.isOpen()) this.events?.turn();
  }

  private readDatagrams(native: NativeConnection): void {
    const arena = this.host.arena;
    while (this.isOpen()) {
      const count = this.attempt(() => native.dgramRecv(arena.room())) ?? null;
      if (count === null) return;
      this.events?.datagram(arena.take(count));
    }
  }

  /** At once, unless there is only an acknowledgement that can wait a little. */
  private sendInTime(native: NativeConnection): void {
    const settled = this.confirmed && this.isOpen();
    if (settled && !this.hasOutput && this.unanswered > 0 && this.unanswered < PACKETS_PER_ACK) {
      this.acknowledgeLater(LATE_ACK_MS);
      return;
    }
    this.hasOutput = false;
    this.unanswered = 0;
    this.send(native);
  }

  /** One timer serves many packets: it looks how long the oldest has waited, and waits on. */
  private acknowledgeLater(ms: number): void {
    this.lateAck ??= this.host.clock.setTimer(ms, () => {
      this.lateAck = undefined;
      if (this.unanswered === 0) return;
      const left = this.unansweredSince + LATE_ACK_MS - this.host.clock.now();
      if (left > 0) return this.acknowledgeLater(left);
      this.hasOutput = true;
      this.host.schedule(this);
    });
  }

  private send(native: NativeConnection): void {
    if (this.attempt(() => this.sender.pump(native)) !== true) return;
    this.hasOutput = true;
    this.host.schedule(this);
  }

  /** A call of the native library that has no reason to fail; when it does, the connection ends. */
  private attempt<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.host.counters.nativeErrors += 1;
      const reason = `the QUIC library failed: ${messageOf(error)}`;
      this.end({ by: "transport", code: INTERNAL_ERROR, reason }, false);
      return undefined;
    }
  }

  private settle(native: NativeConnection): void {
    const over = native.isClosed();
    const draining = native.isDraining();
    if (this.phase === "ending" || over || draining) this.raiseClosed();
    // After the end there is nothing to wait for but the draining.
    const waiting = !over && (draining || this.phase !== "lingering");
    const timeout = waiting ? native.timeout() : null;
    if (timeout !== null) return this.timer.within(timeout + TIMER_ROUNDING_MS);
    if (this.phase !== "lingering") return;
    this.release();
    // To a peer that closed, or is gone, there is nothing more to say.
    if (!this.sender.hasClosed) this.free();
  }

  private timeout(): void {
    const native = this.native;
    if (native === undefined) return;
    const left = native.timeout();
    // What it was set for was settled meanwhile: no reason to send what may wait.
    if (left !== null && left > 0) return this.timer.within(left + TIMER_ROUNDING_MS);
    if (left === 0) {
      this.attempt(() => native.onTimeout());
      if (this.isOpen()) this.sender.timedOut();
    }
    this.hasOutput = true;
    this.host.schedule(this);
  }

  private raiseClosed(): void {
    if (this.phase === "lingering" || this.phase === "freed") return;
    const native = this.native;
    if (native === undefined && this.phase === "opening") return;
    this.phase = "lingering";
    this.lingerUntil = this.host.clock.now() + LINGER_MS;
    this.host.closed(this);
    if (!this.established) this.host.counters.handshakesFailed += 1;
    const events = this.events;
    this.events = undefined;
    const reason = this.reason ?? (native && nativeReason(native, this.established));
    if (reason !== undefined) events?.closed(reason);
    if (native === undefined) this.free();
  }

  /** The QUIC layer is done with it. */
  private release(): void {
    this.timer.cancel();
    this.lateAck?.cancel();
    this.lastStats = this.stats;
    this.native = undefined;
    this.sender.release();
  }

  /** Lets everything go, at once. */
  private free(): void {
    this.phase = "freed";
    this.release();
    this.host.freed(this);
  }
}

function queueDatagram(native: NativeConnection, bytes: Uint8Array): boolean {
  if (native.isDgramSendQueueFull()) return false;
  try {
    native.dgramSend(bytes);
    return true;
  } catch {
    // The peer takes none, or none so long.
    return false;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
