import type { LinkClosed, Peer } from "@atlasnet/core";
import { encodeCbor } from "@atlasnet/core";
import { ControlFrame, greetingFrame, writeTaken } from "../link/control-frames.ts";
import type { HostPort, LinkEndpoint } from "../link/endpoints.ts";
import type { FrameSink } from "../link/frame-reader.ts";
import { writeOpen, writePiece } from "../link/frames.ts";
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  type Hello,
} from "../link/greeting.ts";
import { Incoming, type IncomingSink } from "../link/incoming.ts";
import { StreamKind } from "../link/link-bounds.ts";
import type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
} from "../transport/quic-connection.ts";

/** Written out by hand for each frame: what a test sends is what goes over the wire. */
export class RawPeer implements QuicConnectionEvents, IncomingSink {
  readonly connection: QuicConnection;
  helloSeen: Hello | undefined;
  welcomeSeen: number | undefined;
  /** Encoded messages by the name of their channel. */
  readonly messages: { readonly channel: string; readonly bytes: Uint8Array }[] = [];
  readonly takenSeen: { readonly number: number; readonly cost: number }[] = [];
  readonly problems: LinkClosed[] = [];
  reason: QuicCloseReason | undefined;
  private isUp = false;
  private control: number | undefined;
  private readonly incoming = new Incoming(this);
  private readonly waiting = new Set<{ ready: () => boolean; resolve: () => void }>();
  private readonly unsent = new Map<number, Uint8Array>();

  constructor(connection: QuicConnection) {
    this.connection = connection;
  }

  /** Dials, and resolves when the TLS handshake is done. */
  static async dial(endpoint: LinkEndpoint, to: HostPort): Promise<RawPeer> {
    const made: RawPeer[] = [];
    endpoint.connect(to, (connection) => {
      const peer = new RawPeer(connection);
      made.push(peer);
      return peer;
    });
    const [peer] = made;
    if (peer === undefined) throw new Error("connect did not ask for events");
    await peer.until(() => peer.isUp || peer.reason !== undefined);
    return peer;
  }

  /** Takes one connection in. */
  static accept(endpoint: LinkEndpoint): Promise<RawPeer> {
    return new Promise((resolve) =>
      endpoint.listen((connection) => {
        const peer = new RawPeer(connection);
        void peer.until(() => peer.isUp).then(() => resolve(peer));
        return peer;
      }),
    );
  }

  /** Resolves when the condition holds, looked at after each event. */
  async until(ready: () => boolean): Promise<void> {
    if (ready()) return;
    await new Promise<void>((resolve) => this.waiting.add({ ready, resolve }));
  }

  async untilClosed(): Promise<QuicCloseReason> {
    await this.until(() => this.reason !== undefined);
    if (this.reason === undefined) throw new Error("closed without a reason");
    return this.reason;
  }

  /** Says hello and welcome as a good peer would, and waits for the other's. */
  async greet(self: Peer, more: Partial<Hello> = {}, version = 2): Promise<this> {
    this.sendHello(self, more);
    await this.until(() => this.helloSeen !== undefined);
    this.sendControl(greetingFrame(ControlFrame.welcome, encodeWelcome({ version })));
    await this.until(() => this.welcomeSeen !== undefined);
    return this;
  }

  sendHello(self: Peer, more: Partial<Hello> = {}): void {
    const hello: Hello = {
      versions: { oldest: 1, newest: 2 },
      role: self.role,
      node: self.node,
      boot: new Uint8Array(16).fill(9),
      dial: 1,
      software: "raw",
      maxQueuedBytes: 128 * 1024 * 1024,
      maxChannels: 16_384,
      maxDatagramBytes: 1100,
      ...more,
    };
    this.sendControl(greetingFrame(ControlFrame.hello, encodeHello(hello)));
  }

  /** A hello whose entries are not checked here. */
  sendAnyHello(map: object): void {
    this.sendControl(greetingFrame(ControlFrame.hello, encodeCbor(map)));
  }

  sendControl(bytes: Uint8Array): void {
    this.control ??= this.openStream(StreamKind.control);
    this.send(this.control, bytes);
  }

  sendTaken(number: number, cost: number): void {
    const out = new Uint8Array(16);
    this.sendControl(out.subarray(0, writeTaken(out, 0, number, cost)));
  }

  /** A stream of channels, or of whatever kind. */
  openStream(kind: number = StreamKind.channels): number {
    const stream = this.connection.openStream(3);
    this.send(stream, Uint8Array.of(kind));
    return stream;
  }

  sendOpen(stream: number, number: number, name: string): void {
    const out = new Uint8Array(2048);
    this.send(stream, out.subarray(0, writeOpen(out, 0, number, Buffer.from(name))));
  }

  /** A message, or with `offset` its next piece. */
  sendPiece(stream: number, number: number, message: Uint8Array, offset = 0): void {
    const out = new Uint8Array(20_000);
    this.send(stream, out.subarray(0, writePiece(out, 0, number, message, offset)));
  }

  send(stream: number, bytes: Uint8Array): void {
    const before = this.unsent.get(stream);
    const all = before === undefined ? bytes : Buffer.concat([before, bytes]);
    const taken = before === undefined ? this.connection.write(stream, all) : 0;
    if (taken < all.length) this.unsent.set(stream, all.slice(taken));
  }

  established(): void {
    this.isUp = true;
    this.note();
  }

  stream(stream: number, bytes: Uint8Array): void {
    const problem = this.incoming.push(stream, bytes);
    if (problem !== undefined) this.problems.push(problem);
    this.note();
  }

  streamEnded(): void {
    this.problems.push({ code: "bad-message", detail: "stream ended" });
  }

  datagram(): void {
    this.note();
  }

  turn(): void {
    this.note();
  }

  writable(): void {
    for (const [stream, bytes] of this.unsent) {
      const taken = this.connection.write(stream, bytes);
      if (taken === bytes.length) this.unsent.delete(stream);
      else this.unsent.set(stream, bytes.slice(taken));
    }
    this.note();
  }

  closed(reason: QuicCloseReason): void {
    this.reason = reason;
    this.note();
  }

  hello(body: Uint8Array): undefined {
    const read = decodeHello(body);
    if (read.ok) this.helloSeen = read.value;
    else this.problems.push({ code: "bad-message", detail: read.problem });
  }

  welcome(body: Uint8Array): undefined {
    const read = decodeWelcome(body);
    if (read.ok) this.welcomeSeen = read.value.version;
    else this.problems.push({ code: "bad-message", detail: read.problem });
  }

  taken(number: number, cost: number): undefined {
    this.takenSeen.push({ number, cost });
  }

  channels(): FrameSink {
    const names = new Map<number, string>();
    return {
      open: (number, name) => {
        names.set(number, name);
        return undefined;
      },
      reserve: () => undefined,
      message: (number, bytes) => {
        this.messages.push({ channel: names.get(number) ?? "?", bytes });
        return undefined;
      },
    };
  }

  private note(): void {
    for (const waiting of this.waiting) {
      if (!waiting.ready()) continue;
      this.waiting.delete(waiting);
      waiting.resolve();
    }
  }
}
