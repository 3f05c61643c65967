/** Addresses that are remembered; beyond it the one that was quiet for longest is forgotten. */
const MAX_ADDRESSES = 4096;

/** A bucket of requests per address, refilled over time. */
export class RateLimit {
  private readonly perSecond: number;
  private readonly burst: number;
  private readonly now: () => number;
  private readonly buckets = new Map<string, { left: number; at: number }>();

  /** `now` in ms, from any moment on. */
  constructor(options: { perSecond: number; burst: number }, { now }: { now(): number }) {
    this.perSecond = options.perSecond;
    this.burst = options.burst;
    this.now = now;
  }

  /** False when the address has asked too often. */
  take(address: string): boolean {
    const now = this.now();
    const { left, at } = this.buckets.get(address) ?? { left: this.burst, at: now };
    const gained = (Math.max(0, now - at) / 1000) * this.perSecond;
    const filled = Math.min(this.burst, left + gained);
    const allowed = filled >= 1;
    // Put at the end: the first one is the one that was quiet for longest.
    this.buckets.delete(address);
    this.buckets.set(address, { left: allowed ? filled - 1 : filled, at: now });
    if (this.buckets.size > MAX_ADDRESSES)
      for (const [oldest] of this.buckets) {
        this.buckets.delete(oldest);
        break;
      }
    return allowed;
  }
}
