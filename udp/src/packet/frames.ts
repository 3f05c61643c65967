import { type ByteReader, DecodeError } from "@atlasnet/world";
import { MAX_ACK_RANGES } from "../limits.ts";
import type { RangeSet } from "../recovery/range-set.ts";
import type { PacketWriter } from "./packet-writer.ts";

/** The frames inside a sealed packet (docs/protocol.md, 11.2). */

export const FRAME_PING = 0x01;
export const FRAME_ACK = 0x02;
export const FRAME_STREAM = 0x03;
export const FRAME_STATE = 0x04;
export const FRAME_INPUTS = 0x05;
export const FRAME_CHALLENGE = 0x06;
export const FRAME_RESPONSE = 0x07;
export const FRAME_CLOSE = 0x08;

export const CHALLENGE_BYTES = 8;

/** An ack's delay is in units of 0.1 ms. */
const DELAYS_PER_MS = 10;
/** An hour: what is longer tells nothing, and might not be a number any more. */
const MAX_DELAY = 3600 * 1000 * DELAYS_PER_MS;

/** `received` holds at least one number; of more than MAX_ACK_RANGES ranges the highest are told. */
export function writeAck(writer: PacketWriter, received: RangeSet, delayMs: number): void {
  const ranges = Math.min(received.count, MAX_ACK_RANGES);
  let i = received.count - 1;
  let low = received.startAt(i);
  writer.u8(FRAME_ACK);
  writer.varint(received.endAt(i) - 1);
  writer.varint(Math.min(MAX_DELAY, Math.max(0, Math.round(delayMs * DELAYS_PER_MS))));
  writer.varint(received.endAt(i) - 1 - low);
  writer.varint(ranges - 1);
  for (let told = 1; told < ranges; told++) {
    i -= 1;
    writer.varint(low - received.endAt(i) - 1);
    low = received.startAt(i);
    writer.varint(received.endAt(i) - low - 1);
  }
}

/** What an ack frame says; made once and filled by each. */
export class AckFrame {
  /** Pairs of the highest and the lowest number of a range, the highest range first; grows, never shrinks. */
  private readonly bounds: number[] = [];
  /** How many of `bounds` belong to this frame. */
  private used = 0;
  delayMs = 0;

  get largest(): number {
    return this.used > 0 ? (this.bounds[0] ?? -1) : -1;
  }

  /** For tests: the pairs of this frame. */
  get ranges(): readonly number[] {
    return this.bounds.slice(0, this.used);
  }

  /** Adds a range below those before. */
  add(high: number, low: number): void {
    this.bounds[this.used] = high;
    this.bounds[this.used + 1] = low;
    this.used += 2;
  }

  /** Reads what follows the frame's type. @throws DecodeError */
  read(reader: ByteReader): void {
    this.used = 0;
    let high = reader.varint();
    this.delayMs = reader.varint() / DELAYS_PER_MS;
    let low = high - reader.varint();
    const more = reader.varint();
    if (more > MAX_ACK_RANGES) throw new DecodeError(`an ack of ${more} ranges`);
    if (low < 0) throw new DecodeError("an ack of numbers below 0");
    this.add(high, low);
    for (let i = 0; i < more; i++) {
      high = low - reader.varint() - 2;
      low = high - reader.varint();
      if (low < 0) throw new DecodeError("an ack of numbers below 0");
      this.add(high, low);
    }
  }

  /** Whether `number` is among them. */
  has(number: number): boolean {
    const { bounds, used } = this;
    for (let i = 0; i < used; i += 2)
      if (number >= (bounds[i + 1] ?? 0)) return number <= (bounds[i] ?? 0);
    return false;
  }
}
