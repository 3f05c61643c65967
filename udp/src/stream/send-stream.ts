import { STREAM_WINDOW_BYTES } from "../limits.ts";
import { RangeSet } from "../recovery/range-set.ts";
import { sendBuffers } from "./send-buffers.ts";

const EMPTY = new Uint8Array(0);
const MAX_VARINT_BYTES = 8;

/**
 * The reliable stream of one direction, as its sender has it: bytes from the first that is not
 * acknowledged to the last that was handed in. Its owner bounds what waits (`unsentBytes`).
 *
 * 1. `ackedTo <= sentTo <= end`, and nothing is sent beyond `ackedTo` + STREAM_WINDOW_BYTES.
 * 2. What is sent and neither acknowledged nor lost is in flight.
 */
export class SendStream {
  private buffer: Uint8Array = EMPTY;
  /** Where in `buffer` offset `ackedTo` is, and where the bytes end. */
  private head = 0;
  private tail = 0;
  private ackedTo = 0;
  private sentTo = 0;
  /** Lies above `ackedTo`. */
  private readonly acked = new RangeSet();
  private readonly lost = new RangeSet();

  /** What `next` found. */
  offset = 0;
  length = 0;
  repeats = false;

  private get end(): number {
    return this.ackedTo + this.tail - this.head;
  }

  /** Bytes that were handed in and never sent. */
  get unsentBytes(): number {
    return this.end - this.sentTo;
  }

  /** Whether `next` would find something. */
  get waiting(): boolean {
    if (this.lost.count > 0) return true;
    return this.sentTo < this.end && this.sentTo < this.ackedTo + STREAM_WINDOW_BYTES;
  }

  /** Appends an item as a frame: its length as a varint, then the item. */
  item(item: Uint8Array): void {
    this.reserve(item.length + MAX_VARINT_BYTES);
    let rest = item.length;
    while (rest >= 0x80) {
      this.buffer[this.tail++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.tail++] = rest;
    this.buffer.set(item, this.tail);
    this.tail += item.length;
  }

  /** Appends whole frames. */
  frames(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.tail);
    this.tail += bytes.length;
  }

  /** Finds the next bytes to send, lost ones first. */
  next(): boolean {
    this.repeats = this.lost.count > 0;
    if (this.repeats) {
      this.offset = this.lost.startAt(0);
      this.length = this.lost.endAt(0) - this.offset;
    } else {
      this.offset = this.sentTo;
      this.length = Math.min(this.end, this.ackedTo + STREAM_WINDOW_BYTES) - this.sentTo;
    }
    return this.length > 0;
  }

  /** The first `length` bytes of what `next` found, now in flight; a view, valid until bytes are handed in. */
  take(length: number): Uint8Array {
    const end = this.offset + length;
    if (this.repeats) this.lost.remove(this.offset, end);
    else this.sentTo = end;
    const at = this.head + this.offset - this.ackedTo;
    return this.buffer.subarray(at, at + length);
  }

  /** The peer has these bytes. */
  arrived(offset: number, length: number): void {
    const end = offset + length;
    if (end <= this.ackedTo) return;
    if (this.lost.count > 0) this.lost.remove(offset, end);
    if (offset > this.ackedTo) {
      this.acked.add(offset, end);
      return;
    }
    let to = end;
    if (this.acked.count > 0 && this.acked.startAt(0) <= to) {
      to = Math.max(to, this.acked.endAt(0));
      this.acked.remove(0, to);
    }
    this.head += to - this.ackedTo;
    this.ackedTo = to;
    if (this.head === this.tail) this.empty();
  }

  /** These bytes have to be sent again, unless the peer has them. */
  again(offset: number, length: number): void {
    const start = Math.max(offset, this.ackedTo);
    const end = offset + length;
    if (start >= end) return;
    this.lost.add(start, end);
    for (let i = 0; i < this.acked.count; i++)
      this.lost.remove(this.acked.startAt(i), this.acked.endAt(i));
  }

  private empty(): void {
    this.head = 0;
    this.tail = 0;
    sendBuffers.give(this.buffer);
    this.buffer = EMPTY;
  }

  private reserve(bytes: number): void {
    if (this.tail + bytes <= this.buffer.length) return;
    const held = this.tail - this.head;
    if (held + bytes <= this.buffer.length / 2) {
      this.buffer.copyWithin(0, this.head, this.tail);
    } else {
      const outgrown = this.buffer;
      // What a stream that holds nothing takes in first mostly goes out alone.
      const wanted = held === 0 ? bytes : Math.max(outgrown.length * 2, (held + bytes) * 1.5);
      this.buffer = sendBuffers.take(wanted);
      if (held > 0) this.buffer.set(outgrown.subarray(this.head, this.tail));
      sendBuffers.give(outgrown);
    }
    this.head = 0;
    this.tail = held;
  }
}
