/** So many per second, counted anew every second. */
export class RateWindow {
  private readonly perSecond: number;
  private startedAt = Number.NEGATIVE_INFINITY;
  private taken = 0;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** Takes one; false when the second's are gone. `now` in milliseconds. */
  take(now: number): boolean {
    if (now - this.startedAt >= 1_000) {
      this.startedAt = now;
      this.taken = 0;
    }
    if (this.taken >= this.perSecond) return false;
    this.taken += 1;
    return true;
  }
}
