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

  /** Whether one more packet may be sent. */
  get open(): boolean {
    return this.inFlight + MAX_PACKET_BYTES <= this.window;
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

  /** Packets were lost, the last of them sent at `sentAt` (appendix B.6). */
  congested(sentAt: number, now: number): void {
    if (sentAt <= this.recoveryStart) return;
    this.recoveryStart = now;
    this.window = Math.max(this.window / 2, MIN_WINDOW);
    this.slowStartUntil = this.window;
    this.ackedBytes = 0;
  }

  /** Persistent congestion (section 7.6.2). */
  collapse(): void {
    this.window = MIN_WINDOW;
    this.recoveryStart = -1;
    this.ackedBytes = 0;
  }

  /** Begins anew on another path; what is in flight counts no longer. */
  reset(): void {
    this.window = INITIAL_WINDOW;
    this.inFlight = 0;
    this.slowStartUntil = Number.POSITIVE_INFINITY;
    this.recoveryStart = -1;
    this.ackedBytes = 0;
  }
}
