import type { Dial } from "./transport.ts";

/**
 * What a world's connections carried since `join`, all of them together. Bytes are those of the protocol's
 * messages, without what the transport puts around them. The figures only grow; keep numbers to get a rate.
 */
export interface TrafficStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}

export class TrafficCounter implements TrafficStats {
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;

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
          closed: (number, reason, untrusted) => handlers.closed(number, reason, untrusted),
        },
        trust,
      );
      return {
        send: (message) => {
          this.bytesOut += message.length;
          this.messagesOut += 1;
          transport.send(message);
        },
        close: (code, reason) => transport.close(code, reason),
        get host() {
          return transport.host;
        },
      };
    };
  }
}
