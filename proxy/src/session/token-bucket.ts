/** A rate with a burst: `burst` at once, `perSecond` in the long run. */
export class TokenBucket {
  private readonly perSecond: number;
  private readonly burst: number;
  private tokens: number;
  private filledAt: number;

  constructor(perSecond: number, burst: number, now: number) {
    this.perSecond = perSecond;
    this.burst = burst;
    this.tokens = burst;
    this.filledAt = now;
  }

  /**
   * Takes `count` tokens; false when there are not as many. `now` in milliseconds. For `stalledMs` before it nobody
   * could take any: what was given meanwhile stands beside the burst.
   */
  take(count: number, now: number, stalledMs = 0): boolean {
    const filled = this.tokens + ((now - this.filledAt) / 1000) * this.perSecond;
    this.filledAt = now;
    const most = this.burst + (stalledMs / 1000) * this.perSecond;
    this.tokens = Math.max(this.tokens, Math.min(most, filled));
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }

  /** For so many ms nobody listened: what was said meanwhile comes at once, on top of the burst. */
  makeUp(ms: number): void {
    this.tokens += (ms / 1000) * this.perSecond;
  }
}
