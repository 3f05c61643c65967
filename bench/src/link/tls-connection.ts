import type { TLSSocket } from "node:tls";
import type { QuicConnection, QuicConnectionEvents, QuicConnectionStats } from "@atlasnet/quic";

/**
 * A TLS 1.3 connection in the shape of a QUIC one, so that the same link can run over both: streams
 * stand behind each other in frames `u8 kind, u32 length, bytes`. It is the peer that `bench link`
 * compares with, and knows no more than the link needs of it.
 */

const HEAD_BYTES = 5;
const MAX_FRAME_BYTES = 64 * 1024;
const DATAGRAM = 255;
const CLOSE = 254;
/** Bytes in the socket at which it takes no more, as a congestion window would. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
const NO_STATS: QuicConnectionStats = {
  rttMs: 0,
  packetBytes: 0,
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

export class TlsConnection implements QuicConnection {
  readonly remote: string;
  readonly stats = NO_STATS;
  peerCertificates: readonly Uint8Array[] = [];
  private readonly socket: TLSSocket;
  private readonly events: QuicConnectionEvents;
  private nextStream = 0;
  private corked = false;
  private refused = false;
  private up = false;
  private over = false;
  private rest: Buffer = Buffer.alloc(0);

  /** `done`: the handshake is over already, as on a server's side. */
  constructor(
    socket: TLSSocket,
    done: boolean,
    events: (connection: QuicConnection) => QuicConnectionEvents,
  ) {
    this.socket = socket;
    this.remote = `${socket.remoteAddress}:${socket.remotePort}`;
    this.events = events(this);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.read(bytes));
    socket.on("drain", () => this.drained());
    socket.on("error", () => this.ended("transport", 0, ""));
    socket.on("close", () => this.ended("idle", 0, ""));
    if (done) setImmediate(() => this.established());
    else socket.once("secureConnect", () => this.established());
  }

  openStream(): number {
    return this.nextStream++;
  }

  write(stream: number, bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && !this.over) {
      if (this.socket.writableLength >= MAX_BACKLOG_BYTES) {
        this.refused = true;
        break;
      }
      const piece = bytes.subarray(taken, taken + MAX_FRAME_BYTES);
      this.frame(stream, piece);
      taken += piece.length;
    }
    return taken;
  }

  sendDatagram(bytes: Uint8Array): boolean {
    this.frame(DATAGRAM, bytes);
    return true;
  }

  close(code: number, reason: string): void {
    if (this.over) return;
    this.frame(CLOSE, Buffer.from(`${code} ${reason}`));
    this.socket.end();
    setImmediate(() => this.ended("self", code, reason));
  }

  private established(): void {
    if (this.over) return;
    this.peerCertificates = [this.socket.getPeerCertificate().raw];
    this.up = true;
    this.events.established();
    this.events.turn();
    // What came meanwhile.
    if (this.rest.length > 0) this.read(Buffer.alloc(0));
  }

  private frame(kind: number, bytes: Uint8Array): void {
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      setImmediate(() => {
        this.corked = false;
        this.socket.uncork();
      });
    }
    const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes.length);
    frame[0] = kind;
    frame.writeUInt32BE(bytes.length, 1);
    frame.set(bytes, HEAD_BYTES);
    this.socket.write(frame);
  }

  private drained(): void {
    if (!this.refused || this.over) return;
    this.refused = false;
    this.events.writable();
  }

  private read(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.up && bytes.length >= HEAD_BYTES && !this.over) {
      const end = HEAD_BYTES + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.take(bytes[0] ?? 0, bytes.subarray(HEAD_BYTES, end));
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
    if (this.up && !this.over) this.events.turn();
  }

  private take(kind: number, bytes: Buffer): void {
    // As a plain view: the codec makes no Buffers of what it reads.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (kind === DATAGRAM) return this.events.datagram(view);
    if (kind !== CLOSE) return this.events.stream(kind, view);
    const [code = "0", ...reason] = bytes.toString().split(" ");
    this.ended("peer", Number(code), reason.join(" "));
  }

  private ended(by: "self" | "peer" | "idle" | "transport", code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
    this.socket.destroy();
    this.events.closed({ by, code, reason });
  }
}
