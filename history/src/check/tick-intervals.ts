/** Ticks whose times are kept: some three minutes at 20 ticks a second. */
export const MAX_KEPT_TICKS = 4_096;

/** An interval between two ticks at a client: times on its clock, in ms. */
export interface TickGap {
  readonly ms: number;
  /** When it ended. */
  readonly at: number;
}

export const NO_GAP: TickGap = { ms: 0, at: 0 };

/** When ticks came to one client, and the longest it waited for one. */
export class TickIntervals {
  /** Of all that came. */
  largest: TickGap = NO_GAP;
  count = 0;
  /** A ring, once it is full. */
  private readonly times: number[] = [];

  add(at: number): void {
    if (this.count > 0) {
      const ms = at - this.time(this.count - 1);
      if (ms > this.largest.ms) this.largest = { ms, at };
    }
    this.times[this.count % MAX_KEPT_TICKS] = at;
    this.count += 1;
  }

  /** The longest interval that lies in part between two times, among the ticks that are kept. */
  largestBetween(from: number, to: number): TickGap {
    let largest = NO_GAP;
    const oldest = Math.max(0, this.count - MAX_KEPT_TICKS);
    for (let i = this.count - 1; i > oldest; i--) {
      const at = this.time(i);
      if (at < from) break;
      const before = this.time(i - 1);
      if (before <= to && at - before > largest.ms) largest = { ms: at - before, at };
    }
    return largest;
  }

  private time(i: number): number {
    return this.times[i % MAX_KEPT_TICKS] ?? 0;
  }
}
