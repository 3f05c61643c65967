const NEWLINE = 10;
const RETURN = 13;

/** Cuts a byte stream into lines, however it is split over packets. A line is at most `maxBytes`. */
export class LineSplitter {
  private readonly maxBytes: number;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): void {
    if (this.rest.length === 0) {
      this.rest = chunk;
      return;
    }
    const joined = new Uint8Array(this.rest.length + chunk.length);
    joined.set(this.rest);
    joined.set(chunk, this.rest.length);
    this.rest = joined;
  }

  /** The next whole line without its end, `undefined` when there is none yet. */
  next(): Uint8Array | "too-large" | undefined {
    const end = this.rest.indexOf(NEWLINE);
    if (end < 0) {
      if (this.rest.length > this.maxBytes) return "too-large";
      // Copied: a short rest must not keep a whole receive buffer alive.
      this.rest = new Uint8Array(this.rest);
      return undefined;
    }
    if (end > this.maxBytes) return "too-large";
    const line = this.rest.subarray(0, this.rest[end - 1] === RETURN ? end - 1 : end);
    this.rest = this.rest.subarray(end + 1);
    return line;
  }
}
