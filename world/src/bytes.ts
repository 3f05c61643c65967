/** Growing byte buffer with the primitives of the packed format (docs/protocol.md, section 2). */

const utf8Encoder = new TextEncoder();
// Without ignoreBOM a leading U+FEFF would be lost on the way.
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Largest varint: 2^53 − 1, in 8 bytes. */
const MAX_VARINT_BYTES = 8;

/** Bytes that are not what the format says. Expected from strangers, so it has a code. */
export class DecodeError extends Error {
  readonly code = "bad-message";
  constructor(problem: string) {
    super(problem);
    this.name = "DecodeError";
  }
}

/** They end within something: with more of them it may be whole. */
export class EndsTooEarlyError extends DecodeError {
  constructor() {
    super("ends too early");
  }
}

export class ByteWriter {
  private buffer: Uint8Array;
  private view: DataView;
  /** Bytes written so far; may be set back to an earlier value to drop what came after. */
  length = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Makes room for `count` more bytes. */
  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    if (this.length === this.buffer.length) this.reserve(1);
    this.buffer[this.length++] = value;
  }

  /** Overwrites one byte that was written before. */
  patchU8(at: number, value: number): void {
    this.buffer[at] = value;
  }

  varint(value: number): void {
    this.reserve(MAX_VARINT_BYTES);
    const buffer = this.buffer;
    let at = this.length;
    let rest = value;
    while (rest >= 0x80) {
      buffer[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    buffer[at++] = rest;
    this.length = at;
  }

  f32(value: number): void {
    this.reserve(4);
    this.view.setFloat32(this.length, value, true);
    this.length += 4;
  }

  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Length as a varint, then the bytes. */
  block(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Byte length as a varint, then UTF-8. */
  text(value: string): void {
    this.block(utf8Encoder.encode(value));
  }

  /** A view of what was written, valid until the next write. */
  view8(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  reset(): void {
    this.length = 0;
  }
}

/** Reads the packed format. Every read checks the end and throws DecodeError past it. */
export class ByteReader {
  /** Made at the first float: most messages have none. */
  private lazyView: DataView | undefined;
  private source: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.source = bytes;
  }

  get bytes(): Uint8Array {
    return this.source;
  }

  /** Starts over with other bytes, so that one reader can serve many messages. */
  reset(bytes: Uint8Array): void {
    this.source = bytes;
    this.lazyView = undefined;
    this.offset = 0;
  }

  private get view(): DataView {
    const { buffer, byteOffset, byteLength } = this.source;
    this.lazyView ??= new DataView(buffer, byteOffset, byteLength);
    return this.lazyView;
  }

  get remaining(): number {
    return this.source.length - this.offset;
  }

  private take(count: number): number {
    const at = this.offset;
    if (count > this.source.length - at) throw new EndsTooEarlyError();
    this.offset = at + count;
    return at;
  }

  u8(): number {
    const value = this.source[this.offset];
    if (value === undefined) throw new EndsTooEarlyError();
    this.offset += 1;
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new DecodeError("varint above 2^53 − 1");
  }

  f32(): number {
    return this.view.getFloat32(this.take(4), true);
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.source.subarray(at, at + length);
  }

  /** A block of at most `maxBytes` bytes; a view, not a copy. */
  block(maxBytes: number): Uint8Array {
    const length = this.varint();
    if (length > maxBytes) throw new DecodeError(`block of ${length} bytes, at most ${maxBytes}`);
    return this.raw(length);
  }

  text(maxBytes: number): string {
    const length = this.varint();
    if (length > maxBytes) throw new DecodeError(`text of ${length} bytes, at most ${maxBytes}`);
    return this.utf8(length);
  }

  /** UTF-8 of a length known from elsewhere. */
  utf8(length: number): string {
    const block = this.raw(length);
    try {
      return utf8Decoder.decode(block);
    } catch {
      throw new DecodeError("text is not UTF-8");
    }
  }

  /** Refuses bytes after the last field. */
  end(): void {
    if (this.remaining > 0) throw new DecodeError(`${this.remaining} bytes too many`);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

/** Two hexadecimal digits for each byte, as keys, ids and logs have them. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
