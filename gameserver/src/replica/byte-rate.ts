/** How much may be lent ahead, in ms of the rate: what a timer that comes late makes up for. */
const BURST_MS = 20;

/** So many bytes in a second. What was taken may be more than there was: it is paid back before anything else. */
export class ByteRate {
  private readonly perMs: number;
  private tokens: number;
  private filledAt = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number) {
    this.perMs = bytesPerSecond / 1000;
    this.tokens = 0;
  }

  /** Ms from `now` until something may be taken; 0: now. */
  waitMs(now: number): number {
    const filled = this.tokens + (now - this.filledAt) * this.perMs;
    this.tokens = Math.min(BURST_MS * this.perMs, filled);
    this.filledAt = now;
    return this.tokens >= 0 ? 0 : -this.tokens / this.perMs;
  }

  take(bytes: number): void {
    this.tokens -= bytes;
  }
}
