import { closeCodes } from "@atlasnet/world";
import type { Transport, TransportHandlers } from "./transport.ts";

/** The part of the WebSocket API that is used; the browser's and that of `ws` both have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { code: number; reason: string }) => void,
  ): void;
  addEventListener(type: "error", listener: (event: object) => void): void;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

const OPEN = 1;
const NORMAL_CLOSURE = 1000;
/** Bytes of UTF-8 that a WebSocket close frame may say. */
const MAX_REASON_BYTES = 123;

/** `host` tells the server's address, where that can be known. */
export function websocketTransport(
  socket: WebSocketLike,
  handlers: TransportHandlers,
  host?: () => string | undefined,
): Transport {
  let over = false;
  let problem = "";
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    if (!over) handlers.opened();
  });
  socket.addEventListener("message", ({ data }) => {
    // A server sends no text: as an empty message it is refused as unreadable.
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0);
    if (!over) handlers.received(bytes);
  });
  // A close follows. Browsers do not say what went wrong, `ws` does.
  socket.addEventListener("error", (event) => {
    if ("message" in event && typeof event.message === "string") problem = event.message;
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (over) return;
    over = true;
    handlers.closed(code, reason || problem || `the connection was closed (${code})`);
  });
  return {
    get host() {
      return host?.();
    },
    send(message) {
      if (!over && socket.readyState === OPEN) socket.send(new Uint8Array(message));
    },
    close(code, reason) {
      over = true;
      // Only the leave message leaves a world: a plain close must not look like one.
      const number = code === "left" ? NORMAL_CLOSURE : closeCodes[code].code;
      socket.close(number, shortened(reason));
    },
  };
}

function shortened(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  // Half a character at the cut becomes U+FFFD, of three bytes.
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES - 3));
}
