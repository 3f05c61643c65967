import type { Socket } from "node:net";
import { encodeClose } from "@atlasnet/core";
import { type CloseCode, closeCodes } from "@atlasnet/world";
import type { ProxyCounters } from "../../metrics.ts";
import { frame } from "../../session/framing.ts";
import type { ClientConnection, ClientEvents } from "../client-connection.ts";
import { SocketOutput } from "../socket-output.ts";
import type { ClientWebSocket } from "./client-web-socket.ts";
import { PlainFrames } from "./plain-frames.ts";

/** Longest reason in a close frame: 125 bytes less the code. */
const MAX_CLOSE_REASON_BYTES = 123;

export interface WebSocketDependencies {
  webSocket: ClientWebSocket;
  /** The socket under it: `ws` writes control frames there at once, so whole frames may follow. */
  socket: Socket;
  counters: ProxyCounters;
}

/** One CBOR item per binary message. `ws` reads; data frames are written by the session layer. */
export class WebSocketConnection implements ClientConnection {
  readonly transport = "websocket";
  readonly framing = "websocket";
  readonly remoteAddress: string;
  private readonly webSocket: ClientWebSocket;
  private readonly socket: Socket;
  private readonly output: SocketOutput;
  private readonly counters: ProxyCounters;
  private ending = false;
  private deaf = false;

  constructor(options: { remoteAddress: string }, dependencies: WebSocketDependencies) {
    this.remoteAddress = options.remoteAddress;
    this.webSocket = dependencies.webSocket;
    this.socket = dependencies.socket;
    this.counters = dependencies.counters;
    this.output = new SocketOutput(dependencies.socket, dependencies.counters);
  }

  open(events: ClientEvents): void {
    const { webSocket } = this;
    this.readPlainFrames(events);
    webSocket.on("message", (data, isBinary) => {
      if (this.ending) return;
      if (!isBinary) events.violation("bad-message", "a text message; only binary ones are taken");
      else if (data instanceof Uint8Array) events.message(data);
      else events.violation("internal-error", "a message of an unknown form");
    });
    // Control frames count as messages: each costs about as much.
    webSocket.on("ping", () => events.control());
    webSocket.on("pong", () => events.control());
    webSocket.broken = (code) => events.violation(code, "a broken or oversized WebSocket frame");
    // Follows `broken`, which has said it all; failures of the socket end in `close`.
    webSocket.on("error", () => {
      this.deaf = true;
      this.counters.socketErrors += 1;
    });
    this.socket.on("close", () => events.closed());
  }

  /** Comes between the socket and `ws`, see `PlainFrames`. */
  private readPlainFrames(events: ClientEvents): void {
    const { socket } = this;
    const listeners = socket.listeners("data");
    socket.removeAllListeners("data");
    const frames = new PlainFrames({
      message: (payload) => {
        if (!this.ending) events.message(payload);
      },
      other: (bytes) => {
        // The receiver of `ws` takes nothing after an error.
        if (!this.deaf) for (const listener of listeners) Reflect.apply(listener, socket, [bytes]);
      },
    });
    socket.on("data", (chunk: Uint8Array) => frames.read(chunk));
  }

  get closing(): boolean {
    return this.ending;
  }

  get backlogBytes(): number {
    return this.output.backlogBytes;
  }

  send(item: Uint8Array): void {
    if (!this.ending) this.output.write(frame("websocket", item));
  }

  sendFrames(bytes: Uint8Array): void {
    if (!this.ending) this.output.write(bytes);
  }

  close(code: CloseCode, reason: string): void {
    if (this.ending) return;
    this.send(encodeClose(code, reason));
    this.ending = true;
    this.webSocket.resume();
    this.webSocket.close(closeCodes[code].code, shorten(reason));
  }

  pause(): void {
    if (!this.ending) this.webSocket.pause();
  }

  resume(): void {
    this.webSocket.resume();
  }
}

/** Cuts at a character's border so that the close frame stays valid UTF-8. */
function shorten(reason: string): string {
  if (Buffer.byteLength(reason) <= MAX_CLOSE_REASON_BYTES) return reason;
  let kept = "";
  let bytes = 0;
  for (const character of reason) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_CLOSE_REASON_BYTES) return kept;
    kept += character;
  }
  return kept;
}
