import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FrameReader, frame, MAGIC } from "./frames.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/** How long a closed socket may take to send what it has. */
const CLOSE_MS = 2_000;

/** Framed AtlasNet over TCP (`tcp://host:port`) or TLS (`tls://host:port`). */
export function dialSocket(address: URL, handlers: TransportHandlers): Transport {
  const host = address.hostname.replace(/^\[|\]$/g, "");
  const port = Number(address.port);
  if (host === "" || port === 0)
    throw new TypeError(`${address.href} needs a host and a port, as in tcp://localhost:2555`);
  const secure = address.protocol === "tls:";
  const socket: Socket = secure
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) })
    : connectTcp({ host, port });
  socket.setNoDelay(true);
  const reader = new FrameReader();
  let over = false;
  let reason = "the connection was closed";
  socket.once(secure ? "secureConnect" : "connect", () => {
    if (over) return;
    socket.write(MAGIC);
    handlers.opened();
  });
  socket.on("data", (chunk: Uint8Array) => {
    try {
      reader.push(chunk, (message) => {
        if (!over) handlers.received(message);
      });
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  socket.on("error", (error) => {
    reason = error.message;
  });
  socket.once("close", () => {
    if (over) return;
    over = true;
    handlers.closed(undefined, reason);
  });
  return {
    send(message) {
      if (!over) socket.write(frame(message));
    },
    get host() {
      return socket.remoteAddress;
    },
    close() {
      over = true;
      socket.end();
      // The server may be gone without a word: what was written has had its chance by then.
      setTimeout(() => socket.destroy(), CLOSE_MS).unref();
    },
  };
}
