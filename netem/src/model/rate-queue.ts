import type { Conditions } from "./conditions.ts";

/**
 * The bottleneck in front of a line of a given rate: first in, first out. This is the one part of the
 * model that depends on when packets come, and not only on their number.
 */
export class RateQueue {
  private busyUntil = 0;

  /** Bytes that wait or are being sent. */
  backlog(nowMs: number, { rateBytesPerSecond }: Conditions): number {
    return (Math.max(0, this.busyUntil - nowMs) * rateBytesPerSecond) / 1_000;
  }

  /**
   * How long a packet takes through the queue and onto the line, in ms; undefined when it is dropped
   * because the queue is full. An empty queue takes a packet of any size.
   */
  offer(bytes: number, nowMs: number, conditions: Conditions): number | undefined {
    const backlog = this.backlog(nowMs, conditions);
    if (backlog > 0 && backlog + bytes > conditions.queueBytes) return undefined;
    return this.add(bytes, nowMs, conditions);
  }

  /** The same for what waits before the queue instead of being dropped at it. */
  add(bytes: number, nowMs: number, { rateBytesPerSecond }: Conditions): number {
    if (rateBytesPerSecond === 0) {
      this.busyUntil = nowMs;
      return 0;
    }
    this.busyUntil = Math.max(this.busyUntil, nowMs) + (bytes * 1_000) / rateBytesPerSecond;
    return this.busyUntil - nowMs;
  }
}
