import { type LinkClosed, MAX_CHANNEL_NAME_LENGTH, MAX_LINK_MESSAGE_BYTES } from "@atlasnet/core";
import { Frame, MAX_HEAD_BYTES } from "./frames.ts";
import { CHUNK_BYTES, MAX_CHANNEL_NAME_BYTES } from "./link-bounds.ts";
import { readVarint, varintBytes } from "./varint.ts";

/** Takes what a stream carries. What it answers instead of undefined ends the link. */
export interface FrameSink {
  open(number: number, name: string): LinkClosed | undefined;
  /** A message of that many bytes begins: may it come? Asked before memory is taken for it. */
  reserve(number: number, bytes: number): LinkClosed | undefined;
  /** The message is there. Its bytes do not change; small ones share a buffer of at most 8 KiB. */
  message(number: number, bytes: Uint8Array): LinkClosed | undefined;
}

interface Assembly {
  readonly number: number;
  readonly bytes: Uint8Array;
  filled: number;
}

/** Small messages share copies of so many bytes, longer ones have a copy of their own. */
const BLOCK_BYTES = 8192;
const MAX_SHARED_BYTES = 1024;

/** The head is not there in full yet. */
const INCOMPLETE = -1;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the frames of one channel stream, however it is cut. Messages are copied: a view would keep a slab
 * of the transport alive, and be cloned with all of it when it is posted to a thread.
 *
 * 1. At most MAX_HEAD_BYTES wait for more; the bytes of messages go to where they belong at once.
 * 2. After a problem it reads nothing more.
 */
export class FrameReader {
  private readonly sink: FrameSink;
  private readonly carry = new Uint8Array(MAX_HEAD_BYTES);
  private carried = 0;
  private readonly assembling = new Map<number, Assembly>();
  /** Where the bytes of the frame at hand go, and how many are missing. */
  private current: Assembly | undefined;
  private missing = 0;
  private problem: LinkClosed | undefined;
  /** A copy of some of the bytes at hand, from `blockStart` to `blockEnd`. */
  private block = new Uint8Array(0);
  private blockStart = 0;
  private blockEnd = 0;
  // What the last head said.
  private type = 0;
  private number = 0;
  private size = 0;
  private name = "";

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Returns why the link has to end, or undefined. */
  push(bytes: Uint8Array): LinkClosed | undefined {
    let at = 0;
    this.blockEnd = 0;
    while (at < bytes.length && this.problem === undefined) {
      if (this.current !== undefined) {
        at += this.fill(this.current, bytes, at);
        continue;
      }
      const next =
        this.carried > 0 ? this.headAcross(bytes, at) : this.head(bytes, at, bytes.length);
      if (this.problem !== undefined) break;
      if (next === INCOMPLETE) {
        if (this.carried === 0) {
          this.carry.set(bytes.subarray(at));
          this.carried = bytes.length - at;
        }
        break;
      }
      at = this.begin(bytes, next);
    }
    return this.problem;
  }

  /** The head began in bytes that came before. */
  private headAcross(bytes: Uint8Array, at: number): number {
    const before = this.carried;
    const more = Math.min(MAX_HEAD_BYTES - before, bytes.length - at);
    this.carry.set(bytes.subarray(at, at + more), before);
    const end = this.head(this.carry, 0, before + more);
    if (end === INCOMPLETE) {
      this.carried = before + more;
      return INCOMPLETE;
    }
    this.carried = 0;
    return at + end - before;
  }

  private head(bytes: Uint8Array, at: number, end: number): number {
    this.type = bytes[at] ?? 0;
    if (this.type < Frame.open || this.type > Frame.piece)
      return this.bad(`frame type ${this.type} does not exist`);
    let next = this.varint(bytes, at + 1, end);
    if (next === INCOMPLETE) return INCOMPLETE;
    this.number = this.size;
    if (this.type === Frame.piece) return next;
    next = this.varint(bytes, next, end);
    if (next === INCOMPLETE || this.type === Frame.message) return next;
    if (this.size === 0 || this.size > MAX_CHANNEL_NAME_BYTES)
      return this.bad(`a channel's name of ${this.size} bytes`);
    if (next + this.size > end) return INCOMPLETE;
    return this.readName(bytes.subarray(next, next + this.size)) ? next + this.size : INCOMPLETE;
  }

  /** Reads a number into `size`. */
  private varint(bytes: Uint8Array, at: number, end: number): number {
    if (at >= end) return INCOMPLETE;
    const length = varintBytes(bytes[at] ?? 0);
    if (length === 0) return this.bad("a number of eight bytes");
    if (at + length > end) return INCOMPLETE;
    this.size = readVarint(bytes, at);
    return at + length;
  }

  private readName(bytes: Uint8Array): boolean {
    try {
      this.name = utf8.decode(bytes);
    } catch (error) {
      this.bad(`a channel's name is no UTF-8 (${error instanceof Error ? error.message : "?"})`);
      return false;
    }
    if (this.name.length > 0 && this.name.length <= MAX_CHANNEL_NAME_LENGTH) return true;
    this.bad(`a channel's name of ${this.name.length} letters`);
    return false;
  }

  /** The head is read, `at` is behind it. Returns where the next head is, or the rest of this frame. */
  private begin(bytes: Uint8Array, at: number): number {
    const { number, size } = this;
    if (this.type === Frame.open) {
      this.problem = this.sink.open(number, this.name);
      return at;
    }
    if (this.type === Frame.piece) {
      const assembly = this.assembling.get(number);
      if (assembly === undefined) this.bad(`a piece of no message on channel ${number}`);
      else this.expect(assembly);
      return at;
    }
    if (size === 0 || size > MAX_LINK_MESSAGE_BYTES) {
      this.bad(`a message of ${size} bytes; 1 to ${MAX_LINK_MESSAGE_BYTES} are allowed`);
      return at;
    }
    if (this.assembling.has(number)) {
      this.bad(`a message within another on channel ${number}`);
      return at;
    }
    this.problem = this.sink.reserve(number, size);
    if (this.problem !== undefined) return at;
    if (size <= CHUNK_BYTES && at + size <= bytes.length) {
      this.problem = this.sink.message(number, this.copy(bytes, at, size));
      return at + size;
    }
    const assembly = { number, bytes: new Uint8Array(size), filled: 0 };
    this.assembling.set(number, assembly);
    this.expect(assembly);
    return at;
  }

  private expect(assembly: Assembly): void {
    this.current = assembly;
    this.missing = Math.min(CHUNK_BYTES, assembly.bytes.length - assembly.filled);
  }

  private fill(assembly: Assembly, bytes: Uint8Array, at: number): number {
    const count = Math.min(this.missing, bytes.length - at);
    assembly.bytes.set(bytes.subarray(at, at + count), assembly.filled);
    assembly.filled += count;
    this.missing -= count;
    if (this.missing > 0) return count;
    this.current = undefined;
    if (assembly.filled === assembly.bytes.length) {
      this.assembling.delete(assembly.number);
      this.problem = this.sink.message(assembly.number, assembly.bytes);
    }
    return count;
  }

  /** Small messages that follow each other are copied together: a buffer for each would cost more than its reading. */
  private copy(bytes: Uint8Array, at: number, size: number): Uint8Array {
    if (size > MAX_SHARED_BYTES) return copyOf(bytes, at, size);
    if (at + size > this.blockEnd) {
      this.blockStart = at;
      this.blockEnd = Math.min(bytes.length, at + BLOCK_BYTES);
      this.block = copyOf(bytes, at, this.blockEnd - at);
    }
    return this.block.subarray(at - this.blockStart, at - this.blockStart + size);
  }

  private bad(detail: string): typeof INCOMPLETE {
    this.problem = { code: "bad-message", detail };
    return INCOMPLETE;
  }
}

/** A Uint8Array also of a Buffer, whose own slices take longer to make. */
function copyOf(bytes: Uint8Array, at: number, size: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(size);
  copy.set(bytes.subarray(at, at + size));
  return copy;
}
