import type { Dial } from "./transport.ts";

/**
 * Is shown every message of the protocol, one CBOR item each: as it is handed to the transport, and as it
 * comes from it, before the client acts on it. The bytes must not be changed. It must not throw.
 */
export type MessageObserver = (direction: "in" | "out", message: Uint8Array) => void;

/** Dials the same connections, and shows what they carry. */
export function observing(dial: Dial, observe: MessageObserver): Dial {
  return (url, handlers, trust) => {
    const transport = dial(
      url,
      {
        opened: () => handlers.opened(),
        received: (message) => {
          observe("in", message);
          handlers.received(message);
        },
        closed: (number, reason, untrusted) => handlers.closed(number, reason, untrusted),
      },
      trust,
    );
    return {
      send: (message) => {
        observe("out", message);
        transport.send(message);
      },
      close: (code, reason) => transport.close(code, reason),
      get host() {
        return transport.host;
      },
      get packets() {
        return transport.packets;
      },
    };
  };
}
