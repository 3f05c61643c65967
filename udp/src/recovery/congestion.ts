import {
  INITIAL_WINDOW_PACKETS,
  MAX_PACKET_BYTES,
  MAX_WINDOW_BYTES,
  MIN_WINDOW_PACKETS,
} from "../limits.ts";

const INITIAL_WINDOW = INITIAL_WINDOW_PACKETS * MAX_PACKET_BYTES;
const MIN_WINDOW = MIN_WINDOW_PACKETS * MAX_PACKET_BYTES;
/** So close to the window it counts as used: what was sent comes in bursts of small packets. */
const SLACK = 3 * MAX_PACKET_BYTES;

/** NewReno: RFC 9002, section 7 and appendix B. */
export class Congestion {
  /** Bytes that may be in flight. */
  window = INITIAL_WINDOW;
  /** Bytes of packets that ask for an ack, and are neither acknowledged nor lost. */
  inFlight = 0;
  private slowStartUntil = Number.POSITIVE_INFINITY;
  /** Packets sent up to here belong to the recovery period (section 7.3.2). */
  private recoveryStart = -1;
  private ackedBytes = 0;
  /** What the recovery period began with, and how many packets were lost in it. */
  private windowBefore = 0;
  private slowStartBefore = 0;
  private lostInPeriod = 0;

  /** Whether one more packet may be sent. The last one may go over the window by a part of it. */
  get open(): boolean {
    return this.inFlight < this.window;
  }

  sent(bytes: number): void {
    this.inFlight += bytes;
  }

  /** `limited`: the window was used up when the acknowledgement came (`usedUp` before it). */
  acked(bytes: number, sentAt: number, limited: boolean): void {
    this.inFlight -= bytes;
    if (!limited || sentAt <= this.recoveryStart || this.window >= MAX_WINDOW_BYTES) return;
    if (this.window < this.slowStartUntil) {
      this.window += bytes;
      return;
    }
    this.ackedBytes += bytes;
    if (this.ackedBytes < this.window) return;
    this.ackedBytes -= this.window;
    this.window += MAX_PACKET_BYTES;
  }

  /** Without it the window is not what limits the sender, and it does not grow (section 7.8). */
  get usedUp(): boolean {
    if (this.window < this.slowStartUntil && this.inFlight > this.window / 2) return true;
    return this.inFlight + SLACK >= this.window;
  }

  /** Takes a lost packet out of flight; `congested` follows once for all that are lost together. */
  lost(bytes: number): void {
    this.inFlight -= bytes;
  }

  /** `packets` were lost, the last of them sent at `sentAt` (appendix B.6). */
  congested(packets: number, sentAt: number, now: number): void {
    if (sentAt <= this.recoveryStart) {
      this.lostInPeriod += packets;
      return;
    }
    this.recoveryStart = now;
    this.lostInPeriod = packets;
    this.windowBefore = this.window;
    this.slowStartBefore = this.slowStartUntil;
    this.window = Math.max(this.window / 2, MIN_WINDOW);
    this.slowStartUntil = this.window;
    this.ackedBytes = 0;
  }

  /**
   * A packet that was lost was acknowledged after all. When none is left for whose sake the window was
   * halved, it is what it was: RFC 9438, section 4.9.2.
   */
  regained(sentAt: number): void {
    if (sentAt > this.recoveryStart || this.lostInPeriod === 0) return;
    this.lostInPeriod -= 1;
    if (this.lostInPeriod > 0 || this.windowBefore <= this.window) return;
    this.window = this.windowBefore;
    this.slowStartUntil = this.slowStartBefore;
  }

  /** Persistent congestion (section 7.6.2). */
  collapse(): void {
    this.lostInPeriod = 0;
    this.window = MIN_WINDOW;
    this.recoveryStart = -1;
    this.ackedBytes = 0;
  }

  /** Begins anew on another path; what is in flight counts no longer. */
  reset(): void {
    this.window = INITIAL_WINDOW;
    this.inFlight = 0;
    this.lostInPeriod = 0;
    this.slowStartUntil = Number.POSITIVE_INFINITY;
    this.recoveryStart = -1;
    this.ackedBytes = 0;
  }
}
