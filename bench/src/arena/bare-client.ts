import { CLIENT_HEAD_BYTES, frameOf, RawWebSocket } from "./raw-web-socket.ts";
import type { ClientTally, Tally } from "./tally.ts";

/** A client of the bare server: sends as many bytes as a player's move has, and counts what comes. */
export class BareClient {
  readonly tally: ClientTally = { messages: 0, bytes: 0, lastAt: 0 };
  problem = "";
  private readonly socket: RawWebSocket;
  private readonly common: Tally;
  private frame: Uint8Array = frameOf(new Uint8Array(0));

  constructor(
    address: { host: string; port: number },
    dependencies: { tally: Tally; joined: (client: BareClient) => void },
  ) {
    this.common = dependencies.tally;
    this.socket = new RawWebSocket(address, {
      opened: () => dependencies.joined(this),
      message: (_bytes, start, end) => {
        const { tally, common } = this;
        const now = performance.now();
        tally.messages += 1;
        tally.bytes += end - start;
        if (tally.lastAt > 0) common.gaps.add(now - tally.lastAt);
        tally.lastAt = now;
      },
      closed: () => {
        this.problem ||= "the connection ended";
      },
    });
  }

  /** Payload bytes of every message from here on. */
  resize(bytes: number): void {
    this.frame = frameOf(new Uint8Array(bytes));
  }

  ping(): void {}

  leave(): void {
    this.socket.end();
  }

  move(): void {
    this.socket.write(this.frame);
    this.common.sent += 1;
    this.common.sentBytes += this.frame.length - CLIENT_HEAD_BYTES;
  }
}
