import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Logger } from "@atlasnet/core";
import type { UdpCounters } from "./udp-counters.ts";

/** Wanted for receiving and for sending: a tick's packets for thousands of clients at once. */
const BUFFER_BYTES = 4 * 1024 * 1024;
/** Packets that wait in this process because the system takes none; beyond it they are dropped. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

export interface UdpSocketDependencies {
  /** Must not throw. `packet` stays as it is; it is the receiver's. */
  message: (packet: Uint8Array, address: string, port: number) => void;
  counters: UdpCounters;
  logger: Logger;
}

/** A bound UDP socket. */
export class UdpSocket {
  readonly port: number;
  private readonly socket: Socket;
  private readonly counters: UdpCounters;
  private congested = false;
  private closed = false;

  /** @throws the system's error when the port cannot be had. */
  static async bind(
    place: { address: string; port: number },
    dependencies: UdpSocketDependencies,
  ): Promise<UdpSocket> {
    const socket = createSocket({
      type: isIPv6(place.address) ? "udp6" : "udp4",
      // Peers are known by their numbers; asking the resolver costs a turn of the event loop.
      lookup: (hostname, _options, answer) =>
        answer(null, hostname, hostname.includes(":") ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(place, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    return new UdpSocket(socket, dependencies);
  }

  private constructor(socket: Socket, dependencies: UdpSocketDependencies) {
    const { message, counters, logger } = dependencies;
    this.socket = socket;
    this.counters = counters;
    this.port = socket.address().port;
    enlarge(socket, logger);
    socket.on("message", (packet, { address, port }) => {
      counters.packetsIn += 1;
      counters.bytesIn += packet.length;
      // Nobody can be answered there; such a packet is forged.
      if (port !== 0) message(packet, address, port);
      else counters.drops.malformed += 1;
    });
    socket.on("error", (error) => logger.warn("the UDP socket reports an error", { error }));
  }

  /** Hands a packet to the system. The bytes must not change afterwards. */
  send(packet: Uint8Array, address: string, port: number): void {
    if (this.closed) return;
    const { counters } = this;
    if (this.congested) {
      counters.packetsUnsent += 1;
      return;
    }
    counters.packetsOut += 1;
    counters.bytesOut += packet.length;
    this.socket.send(packet, port, address);
  }

  /** To be called once in a while: looks whether the system still takes what is sent. */
  check(): void {
    if (!this.closed) this.congested = this.socket.getSendQueueSize() > MAX_QUEUED_BYTES;
  }

  /** Resolves when the port is free. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await new Promise<void>((resolve) => this.socket.close(resolve));
  }
}

/** As large as the system allows: some cap it silently, some refuse. */
function enlarge(socket: Socket, logger: Logger): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch (error) {
    logger.debug("the UDP buffers stay as the system made them", { error });
  }
  logger.debug("UDP buffers", {
    receiveBytes: socket.getRecvBufferSize(),
    sendBytes: socket.getSendBufferSize(),
  });
}
