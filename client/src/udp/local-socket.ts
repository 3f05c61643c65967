import { createSocket, type Socket } from "node:dgram";

/** A server's end of a path. */
export interface UdpTarget {
  /** An IP address. */
  address: string;
  family: 4 | 6;
  port: number;
}

export interface LocalSocketEvents {
  /** Packets can be sent. */
  ready(): void;
  packet(bytes: Uint8Array): void;
  /** `refused`: the network says that nobody listens there. Else this socket is no good, at least now. */
  failed(error: Error, refused: boolean): void;
}

/** A UDP socket with one peer. It holds the process open until `unref` or `close`. */
export class LocalSocket {
  /** Whom it tells; may be replaced. */
  events: LocalSocketEvents;
  private readonly socket: Socket;
  private ready = false;
  private over = false;

  constructor({ address, family, port }: UdpTarget, events: LocalSocketEvents) {
    this.events = events;
    this.socket = createSocket(family === 6 ? "udp6" : "udp4");
    this.socket.on("message", (bytes) => this.events.packet(bytes));
    this.socket.on("error", this.failed);
    this.socket.once("connect", () => {
      this.ready = true;
      if (!this.over) this.events.ready();
    });
    this.socket.connect(port, address);
  }

  /** Dropped while it cannot be sent: on UDP that is nothing special. */
  send(packet: Uint8Array): void {
    if (this.ready && !this.over) this.socket.send(packet, this.failed);
  }

  unref(): void {
    if (!this.over) this.socket.unref();
  }

  /** Nothing is told any more. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.socket.close();
  }

  private readonly failed = (error: Error | null): void => {
    if (error === null || this.over) return;
    const code = "code" in error ? error.code : undefined;
    // Windows calls it a reset.
    this.events.failed(error, code === "ECONNREFUSED" || code === "ECONNRESET");
  };
}
