import type { Socket } from "node:net";
import type { ProxyCounters } from "../metrics.ts";

/**
 * The writing side of one client's socket. Frames of many clients share memory, so what a stalled
 * socket cannot take at once is copied: otherwise it would keep everybody's frames alive.
 */
export class SocketOutput {
  private readonly socket: Socket;
  private readonly counters: ProxyCounters;

  constructor(socket: Socket, counters: ProxyCounters) {
    this.socket = socket;
    this.counters = counters;
  }

  get backlogBytes(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    const { socket } = this;
    if (!socket.writable) return;
    this.counters.bytesOut += bytes.length;
    this.counters.writes += 1;
    socket.write(socket.writableLength > 0 ? new Uint8Array(bytes) : bytes);
  }
}
