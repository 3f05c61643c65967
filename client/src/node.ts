import WebSocket from "ws";
import { type AtlasNetClient, Client, type ConnectOptions } from "./client.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { dialSocket } from "./socket.ts";
import { commonSurroundings, consoleLogger } from "./surroundings.ts";
import type { Dial } from "./transport.ts";
import { websocketTransport } from "./websocket.ts";

export * from "./exports.ts";

/** A client for the AtlasNet cluster at an address. Nothing is opened before `join`. */
export function connect(options: ConnectOptions): AtlasNetClient {
  return new Client(options, {
    ...commonSurroundings,
    dial,
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
      return websocketTransport(socket, handlers);
    }
    default:
      throw new TypeError(`${url}: ws://, wss://, tcp:// or tls:// is needed`);
  }
};
