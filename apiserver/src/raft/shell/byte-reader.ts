/** What cannot be read; caught where a message is decoded. */
export class UnreadableBytes extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "UnreadableBytes";
  }
}

/** The other side of `ByteWriter`. Blocks are views: the bytes must not change any more. @throws UnreadableBytes */
export class ByteReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new UnreadableBytes("it ends too early");
    return value;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      // One way to write each number, so that equal messages are equal bytes.
      if (byte === 0 && scale > 1)
        throw new UnreadableBytes("a number is longer than it has to be");
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw new UnreadableBytes("a number is too large");
  }

  block(): Uint8Array {
    const length = this.number();
    if (length > this.left) throw new UnreadableBytes("it ends too early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
