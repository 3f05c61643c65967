import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FrameReader, frame, MAGIC } from "./frames.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/** How long a closed socket may take to send what it has. */
const CLOSE_MS = 2_000;

/** Sockets read into this, one after the other: a buffer and a stream of each their own cost more than what is read. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** Framed AtlasNet over TCP (`tcp://host:port`) or TLS (`tls://host:port`). */
export function dialSocket(address: URL, handlers: TransportHandlers): Transport {
  const host = address.hostname.replace(/^\[|\]$/g, "");
  const port = Number(address.port);
  if (host === "" || port === 0)
    throw new TypeError(`${address.href} needs a host and a port, as in tcp://localhost:2555`);
  const secure = address.protocol === "tls:";
  const reader = new FrameReader();
  let over = false;
  let reason = "the connection was closed";
  const read = (chunk: Uint8Array): void => {
    try {
      reader.push(chunk, (message) => {
        if (!over) handlers.received(message);
      });
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const callback = (count: number): boolean => {
    // Messages are their receiver's to keep.
    read(Buffer.from(readBuffer.subarray(0, count)));
    return true;
  };
  const socket: Socket = secure
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) })
    : connectTcp({ host, port, onread: { buffer: readBuffer, callback } });
  socket.setNoDelay(true);
  socket.once(secure ? "secureConnect" : "connect", () => {
    if (over) return;
    socket.write(MAGIC);
    handlers.opened();
  });
  if (secure) socket.on("data", read);
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
