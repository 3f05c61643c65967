import { ACK_EVERY_PACKETS, MAX_ACK_RANGES } from "../limits.ts";
import { writeAck } from "../packet/frames.ts";
import type { PacketWriter } from "../packet/packet-writer.ts";
import { RangeSet } from "./range-set.ts";

/** A side that sends nothing else that asks for an ack asks for one when there are more ranges: RFC 9000, 13.2.4. */
const LONG_ACK_RANGES = 8;

/**
 * Remembers which packets came and decides when to say so: at once when a packet that asks for it came
 * out of order or left a gap, and after ACK_EVERY_PACKETS of them; else within the ack delay.
 * RFC 9000, section 13.2.
 */
export class Acknowledger {
  private readonly received = new RangeSet();
  private readonly delayMs: number;
  private largestAt = 0;
  private asked = 0;

  /** The highest number that came; -1 before the first. */
  largest = -1;
  /** When the next acknowledgement has to go out; Infinity when none does. */
  dueAt = Number.POSITIVE_INFINITY;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  /** Whether a packet that goes out anyway should carry an acknowledgement. */
  get waiting(): boolean {
    return this.asked > 0;
  }

  /** Whether acks get long, because the peer was not heard to have any. */
  get long(): boolean {
    return this.received.count > LONG_ACK_RANGES;
  }

  /** A packet was taken in; `asks` when one of its frames asks for an acknowledgement. */
  took(number: number, asks: boolean, now: number): void {
    const inOrder = number === this.largest + 1;
    if (number > this.largest) {
      this.largest = number;
      this.largestAt = now;
    }
    this.received.add(number, number + 1);
    if (this.received.count > MAX_ACK_RANGES) this.received.dropFirst();
    if (!asks) return;
    this.asked += 1;
    const due = inOrder && this.asked < ACK_EVERY_PACKETS ? now + this.delayMs : now;
    if (due < this.dueAt) this.dueAt = due;
  }

  /** Writes what came. Only when `waiting`. */
  write(writer: PacketWriter, now: number): void {
    writeAck(writer, this.received, now - this.largestAt);
    this.asked = 0;
    this.dueAt = Number.POSITIVE_INFINITY;
  }

  /**
   * The peer has an acknowledgement whose highest number was `largest`, so the ranges up to there need
   * not be told again. The highest range stays: the delay that is told belongs to it.
   */
  forget(largest: number): void {
    while (this.received.count > 1 && this.received.endAt(0) <= largest + 1)
      this.received.dropFirst();
  }
}
