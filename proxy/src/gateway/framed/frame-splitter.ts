/** Longest varint of docs/protocol.md, section 2. */
const MAX_PREFIX_BYTES = 8;
/** A body that comes in pieces is gathered in a buffer that grows from here with what has come. */
const FIRST_BUFFER_BYTES = 1024;

export type SplitProblem = "bad-message" | "too-large";

/**
 * Cuts a byte stream into frames, whatever pieces it comes in. Memory follows what has arrived, not
 * what a length prefix promises.
 */
export class FrameSplitter {
  private readonly maxBytes: number;
  private prefix = 0;
  private prefixBytes = 0;
  private length = -1;
  private body = new Uint8Array(0);
  private filled = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /**
   * Calls `item` for every whole frame; its bytes are valid during the call only. Stops when `item`
   * returns false. After a problem the stream cannot go on.
   */
  push(chunk: Uint8Array, item: (bytes: Uint8Array) => boolean): SplitProblem | undefined {
    let at = 0;
    while (at < chunk.length || this.length === 0) {
      if (this.length < 0) {
        const problem = this.readPrefix(chunk[at++] ?? 0);
        if (problem !== undefined) return problem;
        continue;
      }
      const missing = this.length - this.filled;
      const available = Math.min(missing, chunk.length - at);
      if (this.filled === 0 && available === missing) {
        const whole = chunk.subarray(at, at + available);
        at += available;
        this.length = -1;
        if (!item(whole)) return undefined;
        continue;
      }
      this.keep(chunk.subarray(at, at + available));
      at += available;
      if (this.filled < this.length) continue;
      const whole = this.body.subarray(0, this.length);
      this.body = new Uint8Array(0);
      this.filled = 0;
      this.length = -1;
      if (!item(whole)) return undefined;
    }
    return undefined;
  }

  private readPrefix(byte: number): SplitProblem | undefined {
    // A product, not a shift: it is exact beyond 32 bits, and what is above the limit ends here at once.
    this.prefix += (byte & 0x7f) * 0x80 ** this.prefixBytes;
    this.prefixBytes += 1;
    if (this.prefix > this.maxBytes) return "too-large";
    if (byte >= 0x80) return this.prefixBytes >= MAX_PREFIX_BYTES ? "bad-message" : undefined;
    this.length = this.prefix;
    this.prefix = 0;
    this.prefixBytes = 0;
    return undefined;
  }

  private keep(piece: Uint8Array): void {
    const needed = this.filled + piece.length;
    if (needed > this.body.length) {
      const grown = new Uint8Array(
        Math.min(this.length, Math.max(needed, FIRST_BUFFER_BYTES, this.body.length * 2)),
      );
      grown.set(this.body.subarray(0, this.filled));
      this.body = grown;
    }
    this.body.set(piece, this.filled);
    this.filled = needed;
  }
}
