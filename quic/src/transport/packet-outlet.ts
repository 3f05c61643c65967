import type { HostPort } from "./address.ts";
import type { EndpointCounters } from "./endpoint-stats.ts";
import type { PacketPort } from "./packet-port.ts";

/** Largest packet the QUIC layer writes; its length has 14 bits. */
export const MAX_PACKET_BYTES = 16_383;

/** Where packets are written and sent from: one buffer for all of them, as long as the system takes each at once. */
export class PacketOutlet {
  private readonly counters: EndpointCounters;
  private packetPort: PacketPort | undefined;
  private buffer = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
  private cut = this.buffer;

  constructor(options: { readonly counters: EndpointCounters }) {
    this.counters = options.counters;
  }

  /** Before anything is sent. */
  open(port: PacketPort): void {
    this.packetPort = port;
  }

  get port(): PacketPort {
    if (this.packetPort === undefined) throw new Error("the endpoint's socket is not open");
    return this.packetPort;
  }

  /** A buffer of so many bytes for the next packet; valid until `transmit` or the end of the call. */
  outgoing(bytes: number): Buffer {
    if (this.cut.length !== bytes) this.cut = this.buffer.subarray(0, bytes);
    return this.cut;
  }

  /** Sends the first `length` bytes of the buffer from `outgoing`. */
  transmit(length: number, to: HostPort, done: (error: Error | null) => void): void {
    this.counters.packetsOut += 1;
    this.counters.bytesOut += length;
    if (this.port.send(this.buffer, length, to, done)) return;
    // The system's buffer is full: the packet waits where it is, and we go on in another place.
    this.buffer = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);
    this.cut = this.buffer;
  }

  /** Sends what belongs to no connection; an error is counted. */
  answer(length: number, to: HostPort): void {
    this.transmit(length, to, this.answered);
  }

  private readonly answered = (error: Error | null): void => {
    if (error !== null) this.counters.sendErrors += 1;
  };
}
