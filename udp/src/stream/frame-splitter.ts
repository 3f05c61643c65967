const EMPTY = new Uint8Array(0);
const FIRST_BYTES = 4096;
const MAX_VARINT_BYTES = 8;

/** Takes items in; false: no more for now, the splitter stops behind this one. */
export type ItemSink = (item: Uint8Array) => boolean;

export interface SplitProblem {
  code: "bad-message" | "too-large";
  reason: string;
}

/** Cuts the stream into its items (a varint length before each), however packets cut it. */
export class FrameSplitter {
  private readonly maxItemBytes: number;
  private readonly sink: ItemSink;
  /** The length under way: what its bytes so far say, and how many there were. */
  private length = 0;
  private lengthBytes = 0;
  /** What the next byte of the length counts: 128 to the power of `lengthBytes`. */
  private scale = 1;
  /** Bytes of the item under way; -1 while its length is not known. */
  private wanted = -1;
  private partial: Uint8Array = EMPTY;
  private have = 0;
  /** Why the stream cannot be read any further. */
  problem: SplitProblem | undefined;

  constructor(maxItemBytes: number, sink: ItemSink) {
    this.maxItemBytes = maxItemBytes;
    this.sink = sink;
  }

  /** Takes the next bytes in. Returns how many: fewer than all when the sink had enough, or on a problem. */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.problem === undefined) {
      if (this.wanted < 0) {
        this.takeLengthByte(bytes[at++] ?? 0);
        continue;
      }
      const missing = this.wanted - this.have;
      if (bytes.length - at < missing) {
        this.keep(bytes.subarray(at));
        return bytes.length;
      }
      const item = this.complete(bytes.subarray(at, at + missing));
      at += missing;
      if (!this.sink(item)) return at;
    }
    return at;
  }

  private takeLengthByte(byte: number): void {
    this.length += (byte & 0x7f) * this.scale;
    this.lengthBytes += 1;
    this.scale *= 0x80;
    if (byte >= 0x80) {
      if (this.lengthBytes === MAX_VARINT_BYTES)
        this.problem = { code: "bad-message", reason: "a length of more than 8 bytes" };
      return;
    }
    if (this.length === 0) this.problem = { code: "bad-message", reason: "an empty item" };
    else if (this.length > this.maxItemBytes)
      this.problem = {
        code: "too-large",
        reason: `a message of ${this.length} bytes, at most ${this.maxItemBytes}`,
      };
    this.wanted = this.length;
    this.length = 0;
    this.lengthBytes = 0;
    this.scale = 1;
  }

  private complete(rest: Uint8Array): Uint8Array {
    let item = rest;
    if (this.have > 0) {
      this.keep(rest);
      item = this.partial.subarray(0, this.have);
      if (this.partial.length > FIRST_BYTES) this.partial = EMPTY;
      this.have = 0;
    }
    this.wanted = -1;
    return item;
  }

  /** Memory grows with what came, not with what was announced. */
  private keep(bytes: Uint8Array): void {
    const needed = this.have + bytes.length;
    if (needed > this.partial.length) {
      const room = Math.min(this.wanted, Math.max(FIRST_BYTES, 2 * needed));
      const grown = new Uint8Array(room);
      grown.set(this.partial.subarray(0, this.have));
      this.partial = grown;
    }
    this.partial.set(bytes, this.have);
    this.have = needed;
  }
}
