import { ByteWriter, DecodeError } from "@atlasnet/world";

/** The first bytes of the framed protocol (docs/protocol.md, section 1). */
export const MAGIC = Uint8Array.of(0xa7, 0x4e, 0x45, 0x54);

/** Largest frame a client takes in. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

const NOTHING = new Uint8Array(0);
/** One for all frames. */
const writer = new ByteWriter(256);

/** A varint length, then the message. */
export function frame(message: Uint8Array): Uint8Array {
  writer.reset();
  writer.block(message);
  return writer.finish();
}

/** Splits a stream of bytes into messages, however the network cut it. */
export class FrameReader {
  private readonly maxBytes: number;
  private pending: Uint8Array = NOTHING;
  /** Of the message whose head was read last. */
  private length = 0;

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
      const start = this.readHead(bytes, at);
      const end = start + this.length;
      if (start < 0 || end > bytes.length) break;
      at = end;
      message(bytes.subarray(start, end));
    }
    // Mostly a chunk ends where a message does.
    this.pending = at === bytes.length ? NOTHING : bytes.subarray(at);
  }

  /** Reads the length, and returns where the message begins; -1 while the head is not all there. */
  private readHead(bytes: Uint8Array, at: number): number {
    let length = 0;
    let scale = 1;
    for (let i = at; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      length += (byte & 0x7f) * scale;
      if (length > this.maxBytes || scale > this.maxBytes * 128)
        throw new DecodeError(`a frame of more than ${this.maxBytes} bytes`);
      if (byte < 0x80) {
        this.length = length;
        return i + 1;
      }
      scale *= 0x80;
    }
    return -1;
  }
}
