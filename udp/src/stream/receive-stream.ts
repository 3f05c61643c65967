import { MAX_STREAM_GAPS, STREAM_WINDOW_BYTES } from "../limits.ts";
import { RangeSet } from "../recovery/range-set.ts";

const EMPTY = new Uint8Array(0);
const FIRST_BYTES = 2048;
/** A larger buffer is given back when nothing is left in it. */
const KEPT_BYTES = 4096;

/** Takes bytes in order and returns how many it took; fewer than all: it has enough for now. */
export type ByteSink = (bytes: Uint8Array) => number;

/**
 * The stream as its receiver has it. Bytes in order go straight to the sink; what came early, or cannot
 * be handed out now, is kept: at most STREAM_WINDOW_BYTES beyond the last byte that was handed out, with
 * at most MAX_STREAM_GAPS gaps.
 */
export class ReceiveStream {
  private readonly sink: ByteSink;
  /** All bytes below this offset were handed out. */
  private next = 0;
  private readonly kept = new RangeSet();
  private buffer: Uint8Array = EMPTY;
  /** Which offset `buffer` begins with. */
  private base = 0;
  private handing = false;
  private held = false;

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  /** Takes bytes in, wherever they lie. False: there is no room for them, so they did not come. */
  receive(offset: number, bytes: Uint8Array): boolean {
    const end = offset + bytes.length;
    if (end <= this.next || bytes.length === 0) return true;
    if (end > this.next + STREAM_WINDOW_BYTES) return false;
    const fresh = offset < this.next ? bytes.subarray(this.next - offset) : bytes;
    const start = end - fresh.length;
    if (start > this.next || this.held || this.kept.count > 0) {
      if (!this.keep(start, fresh)) return false;
      this.handOut();
      return true;
    }
    const taken = this.sink(fresh);
    this.next += taken;
    if (taken < fresh.length) this.keep(this.next, fresh.subarray(taken));
    return true;
  }

  /** Hands nothing out until `release`. May be called by the sink. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.handOut();
  }

  private handOut(): void {
    if (this.handing) return;
    this.handing = true;
    while (!this.held && this.kept.count > 0 && this.kept.startAt(0) <= this.next) {
      const end = this.kept.endAt(0);
      const bytes = this.buffer.subarray(this.next - this.base, end - this.base);
      const taken = this.sink(bytes);
      this.next += taken;
      this.kept.remove(0, this.next);
      if (taken < bytes.length) break;
    }
    this.handing = false;
    if (this.kept.count === 0 && this.buffer.length > KEPT_BYTES) this.buffer = EMPTY;
  }

  private keep(start: number, bytes: Uint8Array): boolean {
    const { kept } = this;
    if (kept.count >= MAX_STREAM_GAPS && start > this.next) return false;
    const end = start + bytes.length;
    if (kept.count === 0) this.base = this.next;
    if (end - this.base > this.buffer.length) this.makeRoom(end);
    this.buffer.set(bytes, start - this.base);
    kept.add(start, end);
    return true;
  }

  /** Makes the buffer reach to offset `end`, which lies within the window. */
  private makeRoom(end: number): void {
    const { kept } = this;
    const used = kept.count === 0 ? this.base : kept.endAt(kept.count - 1);
    const needed = end - this.next;
    if (needed <= this.buffer.length) {
      this.buffer.copyWithin(0, this.next - this.base, used - this.base);
    } else {
      let bytes = Math.max(FIRST_BYTES, this.buffer.length);
      while (bytes < needed) bytes *= 2;
      const grown = new Uint8Array(bytes);
      if (used > this.next)
        grown.set(this.buffer.subarray(this.next - this.base, used - this.base));
      this.buffer = grown;
    }
    this.base = this.next;
  }
}
