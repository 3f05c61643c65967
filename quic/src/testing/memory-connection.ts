import type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
  QuicConnectionStats,
} from "../transport/quic-connection.ts";
import type { MemoryLine } from "./memory-line.ts";

const STATS: QuicConnectionStats = {
  rttMs: 1,
  packetBytes: 1350,
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

export interface MemoryConnectionOptions {
  readonly remote: string;
  readonly dialler: boolean;
  /** Streams the peer takes. */
  readonly maxStreams: number;
}

/** One end of a connection in memory. The same contract as the real one, without packets. */
export class MemoryConnection implements QuicConnection {
  readonly remote: string;
  readonly stats = STATS;
  peerCertificates: readonly Uint8Array[] = [];
  other: MemoryConnection | undefined;
  private readonly options: MemoryConnectionOptions;
  private readonly line: MemoryLine;
  private events: QuicConnectionEvents | undefined;
  private isUp = false;
  private isOver = false;
  private streams = 0;
  private readonly underWay = new Map<number, number>();
  private isBlocked = false;
  private arrivals: (() => void)[] = [];

  constructor(options: MemoryConnectionOptions, line: MemoryLine) {
    this.remote = options.remote;
    this.options = options;
    this.line = line;
  }

  listen(events: QuicConnectionEvents): void {
    this.events = events;
  }

  openStream(_urgency: number): number {
    if (this.isOver || !this.isUp) throw new RangeError("the connection is not open");
    if (this.streams >= this.options.maxStreams)
      throw new RangeError(`the peer takes no more than ${this.streams} streams`);
    this.streams += 1;
    return (this.options.dialler ? 2 : 3) + 4 * (this.streams - 1);
  }

  write(stream: number, bytes: Uint8Array): number {
    if (this.isOver || !this.isUp) return 0;
    const { faults } = this.line;
    const before = this.underWay.get(stream) ?? 0;
    const room = Math.min(bytes.length, faults.maxWriteBytes, faults.windowBytes - before);
    const taken = Math.max(0, room);
    if (taken < bytes.length) this.isBlocked = true;
    if (taken === 0) {
      // Nothing is under way that would free room: it was this call's bound alone.
      if (before === 0) this.offer();
      return 0;
    }
    this.underWay.set(stream, before + taken);
    const copy = bytes.slice(0, taken);
    this.line.carry(this, `stream ${stream}`, () => {
      this.other?.arrive((events) => {
        for (let at = 0; at < copy.length; at += faults.pieceBytes)
          events.stream(stream, copy.subarray(at, at + faults.pieceBytes));
      });
      this.underWay.set(stream, (this.underWay.get(stream) ?? 0) - taken);
      if (this.isBlocked) this.offer();
    });
    return taken;
  }

  /** Ends a stream of ours, which no link does. */
  endStream(stream: number): void {
    this.line.carry(this, `stream ${stream}`, () =>
      this.other?.arrive((events) => events.streamEnded(stream)),
    );
  }

  sendDatagram(bytes: Uint8Array): boolean {
    if (this.isOver || !this.isUp) return false;
    const copy = bytes.slice();
    if (this.line.losesDatagram()) return true;
    this.line.carry(this, `datagram ${this.line.nextLane()}`, () =>
      this.other?.arrive((events) => events.datagram(copy)),
    );
    return true;
  }

  close(code: number, reason: string): void {
    if (this.isOver) return;
    this.finish({ by: "self", code, reason });
    this.line.carry(this, "close", () => this.other?.finish({ by: "peer", code, reason }));
  }

  /** The handshake is done on this side. */
  establish(certificates: readonly Uint8Array[]): void {
    if (this.isOver) return;
    this.isUp = true;
    this.peerCertificates = certificates;
    this.events?.established();
    // What overtook the handshake.
    if (this.arrivals.length > 0) this.handOn();
  }

  /** It is over; `closed` comes in a later turn. */
  finish(reason: QuicCloseReason): void {
    if (this.isOver) return;
    this.isOver = true;
    this.arrivals = [];
    this.line.later(() => {
      this.events?.closed(reason);
      this.events = undefined;
    });
  }

  /** What arrives in one turn is handed on together. */
  private arrive(raise: (events: QuicConnectionEvents) => void): void {
    if (this.isOver) return;
    this.arrivals.push(() => {
      if (this.events !== undefined && !this.isOver) raise(this.events);
    });
    if (this.arrivals.length === 1 && this.isUp) this.handOn();
  }

  private handOn(): void {
    this.line.later(() => {
      const arrivals = this.arrivals;
      this.arrivals = [];
      for (const arrival of arrivals) arrival();
      if (!this.isOver) this.events?.turn();
    });
  }

  private offer(): void {
    this.line.later(() => {
      if (this.isOver || !this.isBlocked) return;
      this.isBlocked = false;
      this.events?.writable();
    });
  }
}
