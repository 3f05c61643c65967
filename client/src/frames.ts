import { ByteWriter, DecodeError } from "@atlasnet/world";

/** The first bytes of the framed protocol (docs/protocol.md, section 1). */
export const MAGIC = Uint8Array.of(0xa7, 0x4e, 0x45, 0x54);

/** Largest frame a client takes in. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** A varint length, then the message. */
export function frame(message: Uint8Array): Uint8Array {
  const writer = new ByteWriter(message.length + 8);
  writer.block(message);
  return writer.finish();
}

/** Splits a stream of bytes into messages, however the network cut it. */
export class FrameReader {
  private readonly maxBytes: number;
  private pending: Uint8Array = new Uint8Array(0);

  constructor(maxBytes = MAX_FRAME_BYTES) {
    this.maxBytes = maxBytes;
  }

  /**
   * Takes a chunk in and calls back with each message that is complete; the bytes are views of what was
   * handed in. @throws DecodeError for a frame that is too long.
   */
  push(chunk: Uint8Array, message: (bytes: Uint8Array) => void): void {
    let bytes = chunk;
    if (this.pending.length > 0) {
      bytes = new Uint8Array(this.pending.length + chunk.length);
      bytes.set(this.pending);
      bytes.set(chunk, this.pending.length);
    }
    let at = 0;
    for (;;) {
      const head = this.readLength(bytes, at);
      if (head === undefined || head.start + head.length > bytes.length) break;
      at = head.start + head.length;
      message(bytes.subarray(head.start, at));
    }
    this.pending = bytes.subarray(at);
  }

  private readLength(bytes: Uint8Array, at: number): { start: number; length: number } | undefined {
    let length = 0;
    let scale = 1;
    for (let i = at; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      length += (byte & 0x7f) * scale;
      if (length > this.maxBytes || scale > this.maxBytes * 128)
        throw new DecodeError(`a frame of more than ${this.maxBytes} bytes`);
      if (byte < 0x80) return { start: i + 1, length };
      scale *= 0x80;
    }
    return undefined;
  }
}
