import { createSocket, type Socket } from "node:dgram";
import { type Endpoint, isLoopback } from "./address.ts";
import { PacketPath } from "./model/packet-path.ts";

export interface UdpFlowHandlers {
  /** A datagram of the target for the flow's client. */
  received(bytes: Uint8Array): void;
  failed(): void;
}

/** One client address, and the local port its packets leave from. */
export class UdpFlow {
  readonly client: { readonly host: string; readonly port: number };
  readonly up: PacketPath;
  readonly down: PacketPath;
  lastSeenMs = 0;
  private readonly target: Endpoint;
  private readonly handlers: UdpFlowHandlers;
  private socket: Socket;

  constructor(
    options: { client: { host: string; port: number }; target: Endpoint; flow: number },
    handlers: UdpFlowHandlers,
  ) {
    this.client = options.client;
    this.target = options.target;
    this.handlers = handlers;
    this.up = new PacketPath({ flow: options.flow, direction: "up" });
    this.down = new PacketPath({ flow: options.flow, direction: "down" });
    this.socket = this.open();
  }

  /** To the target. */
  send(bytes: Uint8Array): void {
    this.socket.send(bytes, this.target.port, this.target.host, (error) => {
      if (error !== null) this.handlers.failed();
    });
  }

  /** From now on packets leave from another port; what comes to the old one finds nobody. */
  rebind(): void {
    const old = this.socket;
    this.socket = this.open();
    old.close();
  }

  close(): void {
    this.socket.close();
  }

  private open(): Socket {
    const { family, host, port } = this.target;
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    socket.on("message", (bytes, from) => {
      // Anybody may send to an open port; the path back is the target's alone.
      if (from.port === port && from.address === host) this.handlers.received(bytes);
    });
    socket.on("error", () => this.handlers.failed());
    socket.bind({ port: 0, ...(isLoopback(host) && { address: host }) });
    return socket;
  }
}
