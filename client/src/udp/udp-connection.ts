import { DatagramConnection, isReset } from "@atlasnet/udp";
import { type CloseCode, closeCodes } from "@atlasnet/world";
import type { ClientClock } from "../connection.ts";
import { MAX_FRAME_BYTES } from "../frames.ts";
import type { PacketCounts, TransportHandlers } from "../transport.ts";
import type { Accepted } from "./handshake-call.ts";
import { LocalSocket, type LocalSocketEvents, type UdpTarget } from "./local-socket.ts";
import { PathWatch } from "./path-watch.ts";

/** The second byte of an input message, in CBOR. */
const INPUT = 5;
/** A close frame goes out at once and again after this long; after twice the time the socket is freed. */
const CLOSE_AGAIN_MS = 100;

export interface UdpConnectionOptions {
  target: UdpTarget;
  accepted: Accepted;
}

export interface UdpConnectionDependencies {
  /** The one of the handshake. */
  socket: LocalSocket;
  handlers: TransportHandlers;
  clock: ClientClock;
  randomBytes: (count: number) => Uint8Array;
}

/**
 * A connection after its handshake: sealed packets on a socket, which is replaced when the path breaks.
 * What is sent in a turn of the event loop goes out at its end, together.
 */
export class UdpConnection {
  private readonly target: UdpTarget;
  private readonly resetToken: Uint8Array;
  private readonly handlers: TransportHandlers;
  private readonly clock: ClientClock;
  private readonly datagrams: DatagramConnection;
  private readonly watch = new PathWatch();
  private socket: LocalSocket;
  private lastPacket: Uint8Array | undefined;
  private timer: { cancel(): void } | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private over = false;

  constructor(options: UdpConnectionOptions, dependencies: UdpConnectionDependencies) {
    const { keys, connectionId, resetToken } = options.accepted;
    const { socket, handlers, clock, randomBytes } = dependencies;
    this.target = options.target;
    this.resetToken = resetToken;
    this.handlers = handlers;
    this.clock = clock;
    this.socket = socket;
    socket.events = this.socketEvents;
    this.datagrams = new DatagramConnection(
      { role: "client", connectionId, maxItemBytes: MAX_FRAME_BYTES, path: "" },
      {
        keys,
        now: clock.now(),
        randomBytes,
        events: {
          transmit: (packet) => this.transmit(packet),
          item: (item) => {
            if (!this.over) handlers.received(item.slice());
          },
          updatesLost: nothing,
          moved: nothing,
          failed: (code, reason) => {
            this.hangUp(code, reason);
            handlers.closed(undefined, reason);
          },
          closed: (number, reason) => this.end(reason, number),
          dirty: () => setImmediate(this.flush),
        },
      },
    );
  }

  get packets(): PacketCounts {
    return this.datagrams.stats;
  }

  send(item: Uint8Array): void {
    if (this.over) return;
    this.datagrams.send(item);
    // All but inputs are acknowledged.
    if (item[1] === INPUT) return;
    this.watch.asked(this.clock.now(), this.datagrams.rttMs);
    this.arm();
  }

  /** Ends the connection and says so; nothing is told any more. */
  hangUp(code: CloseCode, reason: string): void {
    if (this.over) return;
    this.over = true;
    this.timer?.cancel();
    // What was sent in this turn is worth a try, but nobody will send it again.
    this.datagrams.flush(this.clock.now());
    this.datagrams.close(closeCodes[code].code, reason);
    const { socket, lastPacket: goodbye } = this;
    // It may get lost, but is not worth holding the process open: the server finds out by itself.
    socket.unref();
    setTimeout(() => {
      if (goodbye !== undefined) socket.send(goodbye);
    }, CLOSE_AGAIN_MS).unref();
    setTimeout(() => socket.close(), 2 * CLOSE_AGAIN_MS).unref();
  }

  private readonly socketEvents: LocalSocketEvents = {
    // A packet from the new local end tells the server of it.
    ready: () => this.datagrams.ping(),
    packet: (bytes) => this.received(bytes),
    failed: (_error, refused) => {
      if (refused) {
        this.watch.refused(this.clock.now());
        this.arm();
      } else if (!this.over && this.watch.failed() === "move") this.move();
    },
  };

  private received(bytes: Uint8Array): void {
    const { datagrams } = this;
    if (datagrams.receive(bytes, "", this.clock.now())) this.watch.heard();
    else if (isReset(bytes, this.resetToken))
      this.end("the server does not know this connection any more");
    this.arm();
  }

  private transmit(packet: Uint8Array): void {
    this.lastPacket = packet;
    this.socket.send(packet);
  }

  private readonly flush = (): void => {
    if (this.over) return;
    this.datagrams.flush(this.clock.now());
    this.arm();
  };

  private wake(): void {
    this.timerAt = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    if (this.datagrams.wakeAt <= now) this.datagrams.wake(now);
    const verdict = this.watch.judge(now);
    if (verdict === "lost") this.end(`no answer from ${this.target.address}`);
    else if (verdict === "move") this.move();
    this.arm();
  }

  /** To another local end: the server knows the connection by its id. */
  private move(): void {
    this.socket.close();
    this.socket = new LocalSocket(this.target, this.socketEvents);
  }

  private end(reason: string, number?: number): void {
    if (this.over) return;
    this.over = true;
    this.timer?.cancel();
    this.socket.close();
    this.handlers.closed(number, reason);
  }

  /** One timer; one that is too early does no harm. */
  private arm(): void {
    const wakeAt = Math.min(this.datagrams.wakeAt, this.watch.wakeAt);
    if (this.over || wakeAt >= this.timerAt) return;
    this.timer?.cancel();
    this.timerAt = wakeAt;
    const ms = Math.max(0, Math.ceil(wakeAt - this.clock.now()));
    this.timer = this.clock.setTimer(ms, () => this.wake());
  }
}

function nothing(): void {}
