import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/**
 * A WebSocket client with as little in it as the server's answers allow: the machine is shared with
 * the server that is measured. Masks are zero, so that there is nothing to mask.
 */
export interface RawWebSocketEvents {
  opened(): void;
  /** One whole message: `bytes` from `start` to `end`, valid during the call only. */
  message(bytes: Uint8Array, start: number, end: number): void;
  closed(): void;
}

const READ_BUFFER_BYTES = 64 * 1024;
/** Head of a client's frame: flags, length, and the mask. Payloads stay below 126 bytes. */
export const CLIENT_HEAD_BYTES = 6;
const MAX_SMALL_PAYLOAD = 125;
const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const CLOSE = 0x8;

// One for all sockets: what was read is taken before the next one reads.
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

export class RawWebSocket {
  private readonly socket: Socket;
  private readonly events: RawWebSocketEvents;
  private upgraded = false;
  /** The beginning of a frame whose rest is yet to come. */
  private rest: Uint8Array | undefined;

  /** `secure`: over TLS, with whatever certificate the server has. */
  constructor(
    { host, port, secure = false }: { host: string; port: number; secure?: boolean },
    events: RawWebSocketEvents,
  ) {
    this.events = events;
    if (secure) {
      this.socket = connectTls({ host, port, rejectUnauthorized: false });
      this.socket.on("data", (chunk: Uint8Array) => this.read(chunk));
    } else {
      const callback = (count: number) => {
        this.read(readBuffer.subarray(0, count));
        return true;
      };
      this.socket = connect({
        host,
        port,
        noDelay: true,
        onread: { buffer: readBuffer, callback },
      });
    }
    this.socket.on(secure ? "secureConnect" : "connect", () =>
      this.socket.write(
        `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
      ),
    );
    // What fails also closes.
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("close", () => events.closed());
  }

  /** Sends a frame made by `frameOf` or built in place. */
  write(frame: Uint8Array): void {
    this.socket.write(frame);
  }

  end(): void {
    this.socket.end();
  }

  private read(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.rest !== undefined) {
      bytes = Buffer.concat([this.rest, chunk]);
      this.rest = undefined;
    }
    let at = 0;
    if (!this.upgraded) {
      at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf("\r\n\r\n") + 4;
      if (at < 4) {
        this.rest = new Uint8Array(bytes);
        return;
      }
      this.upgraded = true;
      this.events.opened();
    }
    at = this.frames(bytes, at);
    if (at < bytes.length) this.rest = new Uint8Array(bytes.subarray(at));
  }

  /** Takes whole frames; returns where the first incomplete one begins. */
  private frames(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at + 2 <= bytes.length) {
      const opcode = (bytes[at] ?? 0) & 0xf;
      let length = bytes[at + 1] ?? 0;
      let body = at + 2;
      if (length === 126) {
        if (at + 4 > bytes.length) return at;
        length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
        body = at + 4;
      } else if (length > 126) throw new Error("a frame of more than 64 KiB");
      if (body + length > bytes.length) return at;
      at = body + length;
      if (opcode === CLOSE) this.socket.end();
      else this.events.message(bytes, body, at);
    }
    return at;
  }
}

/** A whole binary frame, mask zero. */
export function frameOf(payload: Uint8Array): Uint8Array {
  const small = payload.length <= MAX_SMALL_PAYLOAD;
  const head = small
    ? [FINAL_BINARY, MASKED | payload.length]
    : [FINAL_BINARY, MASKED | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Uint8Array.from([...head, 0, 0, 0, 0]), payload]);
}
