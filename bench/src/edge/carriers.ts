import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { frameOf, RawWebSocket } from "../arena/raw-web-socket.ts";
import { UdpCarrier } from "../lib/udp-carrier.ts";
import { open, seal } from "./sealing.ts";

/** The client's end of each transport, with as little in it as possible: the machine is shared. */

export type TransportName = "tcp" | "ws" | "udp";

export interface Carrier {
  /** Sends one message. */
  send(message: Uint8Array): void;
  end(): void;
}

export interface CarrierEvents {
  opened(carrier: Carrier): void;
  /** One whole message, valid during the call only. */
  message(message: Uint8Array): void;
  closed(reason: string): void;
}

const HOST = "127.0.0.1";
const MAGIC = Uint8Array.of(0xa7, 0x4e, 0x45, 0x54);

/** TCP with a varint length in front of each message. `magic`: what AtlasNet wants to see first. */
export function dialTcp(port: number, magic: boolean, events: CarrierEvents): void {
  const socket = connect({ host: HOST, port, noDelay: true });
  let rest: Uint8Array = new Uint8Array(0);
  socket.on("connect", () => {
    if (magic) socket.write(MAGIC);
    events.opened({
      send: (message) => void socket.write(withLength(message)),
      end: () => void socket.destroy(),
    });
  });
  socket.on("data", (chunk: Uint8Array) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      let start = at + 1;
      let length = bytes[at] ?? 0;
      for (let scale = 0x80; length >= scale && start < bytes.length; scale *= 0x80)
        length += ((bytes[start++] ?? 0) - 1) * scale;
      if ((bytes[start - 1] ?? 0) >= 0x80 || start + length > bytes.length) break;
      at = start + length;
      events.message(bytes.subarray(start, at));
    }
    rest = bytes.subarray(at);
  });
  socket.on("error", (error) => events.closed(error.message));
  socket.on("close", () => events.closed("the server closed"));
}

/** What is sent here is below 16 KiB: two bytes of length are enough. */
function withLength(message: Uint8Array): Uint8Array {
  const { length } = message;
  const head = length < 0x80 ? [length] : [(length % 0x80) | 0x80, length >> 7];
  return Buffer.concat([Uint8Array.from(head), message]);
}

export function dialWebSocket(port: number, events: CarrierEvents): void {
  const socket = new RawWebSocket(
    { host: HOST, port },
    {
      opened: () =>
        events.opened({
          send: (message) => socket.write(frameOf(message)),
          end: () => socket.end(),
        }),
      message: (bytes, start, end) => events.message(bytes.subarray(start, end)),
      closed: () => events.closed("the server closed"),
    },
  );
}

export function dialUdp(port: number, events: CarrierEvents): void {
  const carrier = new UdpCarrier(port, {
    opened: () => events.opened(carrier),
    message: (item) => events.message(item),
    closed: (reason) => events.closed(reason),
  });
}

/** Sealed packets as the bare server has them, one message each. */
export function dialBareUdp(port: number, events: CarrierEvents): void {
  const socket = createSocket("udp4");
  let sent = 0;
  socket.on("message", (packet) => events.message(open(packet)));
  socket.on("error", (error) => events.closed(error.message));
  socket.connect(port, HOST, () =>
    events.opened({
      send: (message) => socket.send(seal(sent++, message)),
      end: () => socket.close(),
    }),
  );
}
