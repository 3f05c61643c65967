import type { ByteStream } from "../artifact-store.ts";

/** Takes from a stream of pieces as many bytes as are asked for. */
export class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(source: ByteStream) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** At least one byte and at most `most`; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.rest.length === 0) {
      const next = await this.source.next();
      if (next.done === true) return undefined;
      this.rest = next.value;
    }
    const piece = this.rest.subarray(0, most);
    this.rest = this.rest.subarray(piece.length);
    return piece;
  }

  /** Exactly so many bytes of their own; undefined when the stream ends before. */
  async exactly(count: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count; ) {
      const piece = await this.some(count - filled);
      if (piece === undefined) return undefined;
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }
}
