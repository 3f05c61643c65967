import type { Dial, PacketCounts, Transport } from "./transport.ts";

/**
 * What a world's connections carried since `join`, all of them together. Bytes are those of the protocol's
 * messages, without what the transport puts around them; packets are counted over UDP alone. The figures
 * only grow; keep numbers to get a rate.
 */
export interface TrafficStats extends PacketCounts {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}

const NONE: PacketCounts = { packetsIn: 0, packetsOut: 0, packetsLost: 0 };

export class TrafficCounter implements TrafficStats {
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** Connections whose packets may go on growing, and the sum of all that ended. */
  private readonly running = new Set<Transport>();
  private ended: PacketCounts = NONE;

  get packetsIn(): number {
    return this.packets().packetsIn;
  }

  get packetsOut(): number {
    return this.packets().packetsOut;
  }

  get packetsLost(): number {
    return this.packets().packetsLost;
  }

  /** Dials the same connections, and counts what they carry. */
  counting(dial: Dial): Dial {
    return (url, handlers, trust) => {
      const transport = dial(
        url,
        {
          opened: () => handlers.opened(),
          received: (message) => {
            this.bytesIn += message.length;
            this.messagesIn += 1;
            handlers.received(message);
          },
          closed: (number, reason, untrusted) => {
            this.end(transport);
            handlers.closed(number, reason, untrusted);
          },
        },
        trust,
      );
      this.running.add(transport);
      return {
        send: (message) => {
          this.bytesOut += message.length;
          this.messagesOut += 1;
          transport.send(message);
        },
        close: (code, reason) => {
          transport.close(code, reason);
          this.end(transport);
        },
        get host() {
          return transport.host;
        },
      };
    };
  }

  private packets(): PacketCounts {
    let sum = this.ended;
    for (const { packets } of this.running) sum = plus(sum, packets);
    return sum;
  }

  private end(transport: Transport): void {
    if (this.running.delete(transport)) this.ended = plus(this.ended, transport.packets);
  }
}

function plus(sum: PacketCounts, { packetsIn, packetsOut, packetsLost } = NONE): PacketCounts {
  return {
    packetsIn: sum.packetsIn + packetsIn,
    packetsOut: sum.packetsOut + packetsOut,
    packetsLost: sum.packetsLost + packetsLost,
  };
}
