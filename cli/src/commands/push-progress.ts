import { barText, mebibytes } from "../api/bytes-text.ts";
import type { CliIo } from "../cli-io.ts";

const BAR = 24;
/** A line is written over this often at most: 1 % of the whole each time. */
const STEPS = 100;

/** How far an upload is, on a terminal; nothing elsewhere. */
export class PushProgress {
  private readonly io: CliIo;
  private readonly bytes: number;
  private sent = 0;
  private shown = -1;

  constructor(io: CliIo, bytes: number) {
    this.io = io;
    this.bytes = bytes;
  }

  /** The same pieces, counted as they are taken. Begun anew, it counts anew. */
  async *count(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    this.sent = 0;
    this.shown = -1;
    for await (const piece of content) {
      yield piece;
      this.sent += piece.length;
      this.show();
    }
  }

  /** Takes the line away. */
  end(): void {
    if (this.shown >= 0) this.io.talk("\r\u001b[K");
    this.shown = -1;
  }

  private show(): void {
    const step = Math.floor((this.sent / this.bytes) * STEPS);
    if (this.io.live !== true || step === this.shown) return;
    this.shown = step;
    const bar = barText(step / STEPS, BAR);
    const of = `${mebibytes(this.sent)} of ${mebibytes(this.bytes)} MiB`;
    // What was sent last is taken in and checked before the answer comes.
    const what = this.sent < this.bytes ? "Pushing" : "Checking";
    const line = `${what} ${bar} ${step} %  ${of}`;
    this.io.talk(`\r${line.slice(0, this.io.width - 1)}\u001b[K`);
  }
}
