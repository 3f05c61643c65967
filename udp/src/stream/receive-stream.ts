import { MAX_STREAM_GAPS, STREAM_WINDOW_BYTES } from "../limits.ts";
import { RangeSet } from "../recovery/range-set.ts";
import type { StreamMemory } from "./stream-memory.ts";

const EMPTY = new Uint8Array(0);
const FIRST_BYTES = 2048;
/** A larger buffer is given back when nothing is left in it, and comes out of the shared memory. */
const KEPT_BYTES = 4096;

/** Takes bytes in order and returns how many it took; fewer than all: it has enough for now. */
export interface ByteSink {
  push(bytes: Uint8Array): number;
}

/**
 * The stream as its receiver has it. Bytes in order go straight to the sink; what came early, or cannot
 * be handed out now, is kept: at most STREAM_WINDOW_BYTES beyond the last byte that was handed out, with
 * at most MAX_STREAM_GAPS gaps, and beyond a few KiB only while the shared memory has room.
 */
export class ReceiveStream {
  private readonly sink: ByteSink;
  private readonly memory: StreamMemory | undefined;
  /** All bytes below this offset were handed out. */
  private next = 0;
  private readonly kept = new RangeSet();
  /**
   * A ring, so that nothing is moved when bytes at its beginning were handed out: the byte of an offset
   * lies at the offset modulo the length, which is a power of two and at most STREAM_WINDOW_BYTES.
   */
  private buffer: Uint8Array = EMPTY;
  private handing = false;
  private held = false;
  private over = false;

  /** `memory`: what this stream and others may have together; undefined: each has its whole window. */
  constructor(sink: ByteSink, memory?: StreamMemory) {
    this.sink = sink;
    this.memory = memory;
  }

  /** Takes bytes in, wherever they lie. False: there is no room for them, so they did not come. */
  receive(offset: number, bytes: Uint8Array): boolean {
    const end = offset + bytes.length;
    if (end <= this.next || bytes.length === 0) return true;
    if (end > this.next + STREAM_WINDOW_BYTES) return false;
    const fresh = offset < this.next ? bytes.subarray(this.next - offset) : bytes;
    const start = end - fresh.length;
    if (start > this.next || this.held) return this.keep(start, fresh);
    this.handing = true;
    const taken = this.sink.push(fresh);
    this.handing = false;
    this.next += taken;
    if (this.kept.count > 0) this.kept.remove(0, this.next);
    if (taken < fresh.length) return this.keep(this.next, fresh.subarray(taken));
    this.handOut();
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

  /** Nothing is kept and nothing handed out any more. May be called by the sink. */
  end(): void {
    this.over = true;
    this.kept.clear();
    this.free();
  }

  private free(): void {
    if (this.buffer.length > KEPT_BYTES) this.memory?.give(this.buffer.length);
    this.buffer = EMPTY;
  }

  private handOut(): void {
    if (this.handing) return;
    this.handing = true;
    while (!this.held && this.kept.count > 0 && this.kept.startAt(0) <= this.next) {
      const at = this.next % this.buffer.length;
      const run = Math.min(this.kept.endAt(0) - this.next, this.buffer.length - at);
      const taken = this.sink.push(this.buffer.subarray(at, at + run));
      this.next += taken;
      this.kept.remove(0, this.next);
      if (taken < run) break;
    }
    this.handing = false;
    if (this.kept.count === 0 && this.buffer.length > KEPT_BYTES) this.free();
  }

  private keep(start: number, bytes: Uint8Array): boolean {
    const { kept } = this;
    if (this.over || (kept.count >= MAX_STREAM_GAPS && start > this.next)) return false;
    const end = start + bytes.length;
    if (end - this.next > this.buffer.length && !this.grow(end - this.next)) return false;
    write(this.buffer, start, bytes);
    kept.add(start, end);
    return true;
  }

  /** Makes room for the next `needed` bytes, which lie within the window. False: there is no memory. */
  private grow(needed: number): boolean {
    const { kept, buffer, memory } = this;
    let bytes = Math.max(FIRST_BYTES, buffer.length);
    while (bytes < needed) bytes *= 2;
    const taken = buffer.length > KEPT_BYTES ? buffer.length : 0;
    if (memory !== undefined && bytes > KEPT_BYTES && !memory.take(bytes - taken)) return false;
    const grown = new Uint8Array(bytes);
    for (let i = 0; i < kept.count; i++) {
      for (let from = kept.startAt(i); from < kept.endAt(i); ) {
        const at = from % buffer.length;
        const run = Math.min(kept.endAt(i) - from, buffer.length - at);
        write(grown, from, buffer.subarray(at, at + run));
        from += run;
      }
    }
    this.buffer = grown;
    return true;
  }
}

/** Puts bytes where those of this offset lie in a ring that has room for them. */
function write(ring: Uint8Array, offset: number, bytes: Uint8Array): void {
  const at = offset % ring.length;
  const first = Math.min(bytes.length, ring.length - at);
  ring.set(first === bytes.length ? bytes : bytes.subarray(0, first), at);
  if (first < bytes.length) ring.set(bytes.subarray(first), 0);
}
