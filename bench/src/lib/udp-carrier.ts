import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { DatagramConnection, INITIATE_RESEND_MS } from "@atlasnet/udp";
import { ClientHandshake } from "@atlasnet/udp/node";

export interface UdpCarrierEvents {
  opened(): void;
  /** One whole item, valid during the call only. */
  message(item: Uint8Array): void;
  closed(reason: string): void;
}

const HOST = "127.0.0.1";
const MAX_ITEM_BYTES = 1 << 20;

/** A client's end of AtlasNet over UDP, with as little around the transport as a loopback allows. */
export class UdpCarrier {
  private readonly socket = createSocket("udp4");
  private readonly events: UdpCarrierEvents;
  private connection: DatagramConnection | undefined;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private flushing = false;
  private over = false;

  constructor(port: number, events: UdpCarrierEvents) {
    this.events = events;
    const handshake = new ClientHandshake({ serverKey: undefined }, { randomBytes });
    const { socket } = this;
    socket.on("error", (error) => this.ended(error.message));
    socket.on("message", (packet) => {
      if (this.connection === undefined) this.shake(handshake, packet);
      else this.receive(packet);
    });
    socket.connect(port, HOST, () => this.initiate(handshake));
  }

  /** Again and again: a server that is busy drops what it has no time for. */
  private initiate(handshake: ClientHandshake): void {
    if (this.over || this.connection !== undefined) return;
    this.socket.send(handshake.packet);
    setTimeout(() => this.initiate(handshake), INITIATE_RESEND_MS);
  }

  private shake(handshake: ClientHandshake, packet: Uint8Array): void {
    const step = handshake.receive(packet);
    if (step.type === "again") this.socket.send(handshake.packet);
    if (step.type !== "done") return;
    this.connection = new DatagramConnection(
      { role: "client", connectionId: step.connectionId, maxItemBytes: MAX_ITEM_BYTES, path: "" },
      {
        keys: step.keys,
        randomBytes,
        now: performance.now(),
        events: {
          transmit: (bytes) => this.socket.send(bytes),
          item: (item) => this.events.message(item),
          updatesLost: () => {},
          moved: () => {},
          failed: (_code, reason) => this.ended(reason),
          closed: (code, reason) => this.ended(`${code} ${reason}`),
          dirty: () => this.flushSoon(),
        },
      },
    );
    this.events.opened();
  }

  send(item: Uint8Array): void {
    this.connection?.send(item);
  }

  end(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.connection?.close(4000, "");
    this.socket.close();
  }

  private ended(reason: string): void {
    if (this.over) return;
    this.end();
    this.events.closed(reason);
  }

  private receive(packet: Uint8Array): void {
    this.connection?.receive(packet, "", performance.now());
    this.arm();
  }

  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      if (this.over) return;
      this.connection?.flush(performance.now());
      this.arm();
    });
  }

  /** One timer for all deadlines; one that is too early does no harm. */
  private arm(): void {
    const wakeAt = this.connection?.wakeAt ?? Number.POSITIVE_INFINITY;
    if (this.over || wakeAt >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = wakeAt;
    this.timer = setTimeout(
      () => {
        this.timerAt = Number.POSITIVE_INFINITY;
        this.connection?.wake(performance.now());
        this.arm();
      },
      Math.max(1, wakeAt - performance.now()),
    );
  }
}
