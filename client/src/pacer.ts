/** Part of the server's limit that is used: its clock and ours differ, and a refusal ends the session. */
const SHARE = 0.9;
/** Seconds of the limit that may be sent at once after a pause. */
const BURST_SECONDS = 0.5;

/**
 * Keeps a client below the server's limits of messages and bytes per second; without `limit` there are
 * none. Times in ms.
 */
export class Pacer {
  private messages = new Bucket(0, 0);
  private bytes = new Bucket(0, 0);

  /** A connection begins, on which the server counts from 0. A limit of 0 means none. */
  limit(messagesPerSecond: number, bytesPerSecond: number, now: number): void {
    this.messages = new Bucket(messagesPerSecond, now);
    this.bytes = new Bucket(bytesPerSecond, now);
  }

  /** Time from which something may be sent; `now` when at once. */
  readyAt(now: number): number {
    return Math.max(this.messages.readyAt(now), this.bytes.readyAt(now));
  }

  /** Counts a message that is sent, also one that may not wait. */
  spend(bytes: number, now: number): void {
    this.messages.spend(1, now);
    this.bytes.spend(bytes, now);
  }
}

class Bucket {
  private readonly perMs: number;
  private readonly size: number;
  private level: number;
  private at: number;

  constructor(perSecond: number, now: number) {
    this.perMs = (perSecond * SHARE) / 1000;
    this.size = Math.max(1, perSecond * BURST_SECONDS);
    this.level = this.size;
    this.at = now;
  }

  /** A bucket with anything in it may go into debt by one message. */
  readyAt(now: number): number {
    if (this.perMs === 0) return now;
    this.fill(now);
    return this.level >= 1 ? now : now + Math.ceil((1 - this.level) / this.perMs);
  }

  spend(amount: number, now: number): void {
    if (this.perMs === 0) return;
    this.fill(now);
    this.level -= amount;
  }

  private fill(now: number): void {
    this.level = Math.min(this.size, this.level + Math.max(0, now - this.at) * this.perMs);
    this.at = now;
  }
}
