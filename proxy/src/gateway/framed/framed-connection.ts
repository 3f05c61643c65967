import type { Socket } from "node:net";
import { encodeClose } from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { ProxyCounters } from "../../metrics.ts";
import { frame } from "../../session/framing.ts";
import type { ClientConnection, ClientEvents } from "../client-connection.ts";
import { FRAMED_MAGIC } from "../sniff.ts";
import { SocketOutput } from "../socket-output.ts";
import { FrameSplitter } from "./frame-splitter.ts";

export interface FramedOptions {
  maxMessageBytes: number;
  remoteAddress: string;
}

/** Length-prefixed CBOR over a socket that was found to speak it. */
export class FramedConnection implements ClientConnection {
  readonly transport = "framed";
  readonly framing = "length";
  readonly remoteAddress: string;
  private readonly maxMessageBytes: number;
  private readonly socket: Socket;
  private readonly output: SocketOutput;
  private ending = false;

  constructor(options: FramedOptions, dependencies: { socket: Socket; counters: ProxyCounters }) {
    this.remoteAddress = options.remoteAddress;
    this.maxMessageBytes = options.maxMessageBytes;
    this.socket = dependencies.socket;
    this.output = new SocketOutput(dependencies.socket, dependencies.counters);
  }

  /** Starts reading. The socket's next bytes are the magic. */
  open(events: ClientEvents): void {
    const splitter = new FrameSplitter(this.maxMessageBytes);
    let magic = FRAMED_MAGIC.length;
    const item = (bytes: Uint8Array): boolean => {
      events.message(bytes);
      return !this.ending;
    };
    this.socket.on("data", (chunk: Uint8Array) => {
      if (this.ending) return;
      const skipped = Math.min(magic, chunk.length);
      magic -= skipped;
      const problem = splitter.push(chunk.subarray(skipped), item);
      if (problem !== undefined) events.violation(problem, SPLIT_PROBLEMS[problem]);
    });
    this.socket.on("close", () => events.closed());
    this.socket.resume();
  }

  get closing(): boolean {
    return this.ending;
  }

  get backlogBytes(): number {
    return this.output.backlogBytes;
  }

  send(item: Uint8Array): void {
    if (!this.ending) this.output.write(frame("length", item));
  }

  sendFrames(bytes: Uint8Array): void {
    if (!this.ending) this.output.write(bytes);
  }

  close(code: CloseCode, reason: string): void {
    if (this.ending) return;
    this.send(encodeClose(code, reason));
    this.ending = true;
    this.socket.end();
    // What still comes is read and dropped: unread bytes would turn the end into a reset.
    this.socket.resume();
  }

  pause(): void {
    if (!this.ending) this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}

const SPLIT_PROBLEMS = {
  "bad-message": "a frame's length is not a varint",
  "too-large": "a frame above the size limit",
} as const;
