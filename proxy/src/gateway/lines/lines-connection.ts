import type { Socket } from "node:net";
import type { CloseCode } from "@atlasnet/world";
import type { ProxyCounters } from "../../metrics.ts";
import type { ClientConnection } from "../client-connection.ts";
import { SocketOutput } from "../socket-output.ts";
import { LineSplitter } from "./line-splitter.ts";

export interface LineEvents {
  /** One line; answered before the next is handed out. */
  line(text: string): Promise<void>;
  violation(code: CloseCode, reason: string): void;
  closed(): void;
}

/** UTF-8 lines (docs/protocol.md, section 9). Lines are answered one after the other, in order. */
export class LinesConnection implements ClientConnection {
  readonly transport = "lines";
  readonly framing = "length";
  readonly remoteAddress: string;
  private readonly socket: Socket;
  private readonly output: SocketOutput;
  private readonly splitter: LineSplitter;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });
  private busy = false;
  private ending = false;

  constructor(
    options: { lineBytes: number; remoteAddress: string },
    dependencies: { socket: Socket; counters: ProxyCounters },
  ) {
    this.remoteAddress = options.remoteAddress;
    this.socket = dependencies.socket;
    this.output = new SocketOutput(dependencies.socket, dependencies.counters);
    this.splitter = new LineSplitter(options.lineBytes);
  }

  open(events: LineEvents): void {
    this.socket.on("data", (chunk: Uint8Array) => {
      if (this.ending) return;
      this.splitter.push(chunk);
      if (!this.busy) this.work(events);
    });
    this.socket.on("close", () => events.closed());
    this.socket.resume();
  }

  /** Hands out lines until none is left. The socket is not read while an answer is awaited. */
  private work(events: LineEvents): void {
    if (this.ending) return;
    const line = this.splitter.next();
    if (line === undefined) return;
    if (line === "too-large") return events.violation("too-large", "a line above the size limit");
    let text: string;
    try {
      text = this.decoder.decode(line);
    } catch (error) {
      return events.violation("bad-message", `a line that is not UTF-8: ${String(error)}`);
    }
    this.busy = true;
    this.socket.pause();
    events.line(text).then(
      () => {
        this.busy = false;
        this.resume();
        this.work(events);
      },
      (error: unknown) => events.violation("internal-error", String(error)),
    );
  }

  get closing(): boolean {
    return this.ending;
  }

  get backlogBytes(): number {
    return this.output.backlogBytes;
  }

  /** Here an item is a line without its end. */
  send(item: Uint8Array): void {
    this.sendFrames(item);
    this.sendFrames(Uint8Array.of(10));
  }

  sendLine(text: string): void {
    this.sendFrames(Buffer.from(`${text}\n`));
  }

  sendFrames(bytes: Uint8Array): void {
    if (!this.ending) this.output.write(bytes);
  }

  close(code: CloseCode, _reason: string): void {
    if (this.ending) return;
    this.sendLine(`ERR ${code}`);
    this.ending = true;
    this.socket.end();
    this.socket.resume();
  }

  pause(): void {
    if (!this.ending) this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}
