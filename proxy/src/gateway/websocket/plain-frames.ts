/** What becomes of the bytes of one client's WebSocket. */
export interface FrameSinks {
  /** The payload of a plain frame, unmasked; a view that is valid during the call only. */
  message(payload: Uint8Array): void;
  /** Bytes of any other frame, in order: `ws` takes care of those. */
  other(bytes: Uint8Array): void;
}

const FINAL_BINARY = 0x82;
const FINAL = 0x80;
const MASKED = 0x80;
const OPCODE = 0x0f;
const CLOSE = 8;
/** Longest payload whose length is in the second byte. */
const MAX_SHORT_LENGTH = 125;
const SHORT_HEAD_BYTES = 6;

/**
 * Takes plain frames (whole, binary, masked, below 126 bytes) straight out of what a socket read: they
 * are nearly all that a game client sends, and `ws` passes each through a stream of its own, which
 * costs more than all that follows. Every other frame goes to `ws` as it came.
 *
 * 1. `other` gets whole frames, if in several pieces; a plain one never comes in the midst of another.
 * 2. While a message is in fragments everything is for `ws`, and after a close frame nothing is read.
 */
export class PlainFrames {
  private readonly sinks: FrameSinks;
  /** The beginning of a frame whose kind or end is yet to come: less than a short frame. */
  private rest: Uint8Array | undefined;
  /** Bytes of the current frame that are yet to go to `ws`. */
  private owed = 0;
  private inFragments = false;
  private closing = false;

  constructor(sinks: FrameSinks) {
    this.sinks = sinks;
  }

  /** Takes what a socket read; unmasks in place. */
  read(chunk: Uint8Array): void {
    const bytes = this.rest === undefined ? chunk : joined(this.rest, chunk);
    this.rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      if (this.owed === 0 && this.closing) return;
      const next = this.owed > 0 ? this.handOn(bytes, at) : this.frame(bytes, at);
      if (next === at) {
        this.rest = new Uint8Array(bytes.subarray(at));
        return;
      }
      at = next;
    }
  }

  private handOn(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + this.owed);
    this.owed -= end - at;
    this.sinks.other(bytes.subarray(at, end));
    return end;
  }

  /** Takes the frame at `at`; returns where it ends, or `at` when more of it has to come first. */
  private frame(bytes: Uint8Array, at: number): number {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1];
    if (second === undefined) return at;
    const length = second - MASKED;
    if (first !== FINAL_BINARY || length < 0 || length > MAX_SHORT_LENGTH || this.inFragments) {
      this.owed = frameBytes(bytes, at);
      if (this.owed === 0) return at;
      const opcode = first & OPCODE;
      if (opcode === CLOSE) this.closing = true;
      // Control frames may come between fragments.
      if (opcode < CLOSE) this.inFragments = (first & FINAL) === 0;
      return this.handOn(bytes, at);
    }
    const start = at + SHORT_HEAD_BYTES;
    const end = start + length;
    if (end > bytes.length) return at;
    for (let i = 0; i < length; i++)
      bytes[start + i] = (bytes[start + i] ?? 0) ^ (bytes[at + 2 + (i & 3)] ?? 0);
    this.sinks.message(bytes.subarray(start, end));
    return end;
  }
}

/** Bytes of the whole frame at `at`; 0 when not even its length is there yet. */
function frameBytes(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1] ?? 0;
  const mask = second & MASKED ? 4 : 0;
  const short = second & 0x7f;
  if (short <= MAX_SHORT_LENGTH) return 2 + mask + short;
  const lengthBytes = short === 126 ? 2 : 8;
  if (at + 2 + lengthBytes > bytes.length) return 0;
  let length = 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  return 2 + lengthBytes + mask + length;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
