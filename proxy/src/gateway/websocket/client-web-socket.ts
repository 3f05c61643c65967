import { WebSocket } from "ws";

/** What the receiver of `ws` closes with when the client breaks the WebSocket protocol. */
const RECEIVER_CODES: readonly (number | undefined)[] = [1002, 1003, 1006, 1007, 1008, 1009];
const TOO_LARGE = 1009;

/**
 * A WebSocket that lets its owner say why it closes. By itself `ws` answers a broken frame with a
 * close code of RFC 6455 at once; clients are promised ours, after a close message.
 */
export class ClientWebSocket extends WebSocket {
  /** Called instead of closing when the client broke the protocol. */
  broken: ((code: "bad-message" | "too-large") => void) | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    // The answer to a client's own close carries a reason, if only an empty one.
    if (this.broken !== undefined && reason === undefined && RECEIVER_CODES.includes(code))
      this.broken(code === TOO_LARGE ? "too-large" : "bad-message");
    else super.close(code, reason);
  }
}
