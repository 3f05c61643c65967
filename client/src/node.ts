import WebSocket from "ws";
import { type AtlasNetClient, Client, type ConnectOptions } from "./client.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { dialSocket } from "./socket.ts";
import { commonSurroundings, consoleLogger } from "./surroundings.ts";
import { type Dial, transportOf } from "./transport.ts";
import { dialUdp } from "./udp/dial-udp.ts";
import { serverKeyOf } from "./udp/server-key.ts";
import { websocketTransport } from "./websocket.ts";

export * from "./exports.ts";

/** A client for the AtlasNet cluster at an address. Nothing is opened before `join`. */
export function connect(options: ConnectOptions): AtlasNetClient {
  const { serverKey } = options;
  const dialUdpUrl: Dial = (url, handlers, trust) =>
    dialUdp(new URL(url), handlers, () => serverKeyOf(serverKey, trust));
  return new Client(options, {
    ...commonSurroundings,
    dial: (url, handlers, trust) =>
      transportOf(url) === "udp" ? dialUdpUrl(url, handlers, trust) : dial(url, handlers, trust),
    dialUdp: dialUdpUrl,
    storage: options.storage,
    logger: options.logger ?? consoleLogger,
  });
}

const dial: Dial = (url, handlers) => {
  const address = new URL(url);
  switch (address.protocol) {
    case "tcp:":
    case "tls:":
      return dialSocket(address, handlers);
    case "ws:":
    case "wss:": {
      const socket = new WebSocket(address, {
        perMessageDeflate: false,
        maxPayload: MAX_FRAME_BYTES,
      });
      let host: string | undefined;
      socket.once("upgrade", ({ socket: { remoteAddress } }) => {
        host = remoteAddress;
      });
      return websocketTransport(socket, handlers, () => host);
    }
    default:
      throw new TypeError(`${url}: ws://, wss://, tcp://, tls:// or udp:// is needed`);
  }
};
