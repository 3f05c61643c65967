/** Before the first sample: RFC 9002, section 6.2.2. */
const INITIAL_RTT_MS = 333;
const GRANULARITY_MS = 1;

/** The round-trip time as estimated in RFC 9002, section 5. All in milliseconds. */
export class RttEstimator {
  latest = 0;
  smoothed = INITIAL_RTT_MS;
  variation = INITIAL_RTT_MS / 2;
  private lowest = 0;
  /** When the first sample was taken; Infinity before it. */
  firstSampleAt = Number.POSITIVE_INFINITY;

  get known(): boolean {
    return this.firstSampleAt !== Number.POSITIVE_INFINITY;
  }

  /** Something better than nothing to begin with, at most what the standard begins with. */
  guess(rtt: number): void {
    if (this.known) return;
    this.smoothed = Math.min(Math.max(rtt, GRANULARITY_MS), INITIAL_RTT_MS);
    this.variation = this.smoothed / 2;
  }

  /** `ackDelay` is what the peer told, no more than what it may take. */
  sample(rtt: number, ackDelay: number, now: number): void {
    this.latest = rtt;
    if (!this.known) {
      this.firstSampleAt = now;
      this.lowest = rtt;
      this.smoothed = rtt;
      this.variation = rtt / 2;
      return;
    }
    if (rtt < this.lowest) this.lowest = rtt;
    const adjusted = rtt >= this.lowest + ackDelay ? rtt - ackDelay : rtt;
    this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - adjusted);
    this.smoothed = 0.875 * this.smoothed + 0.125 * adjusted;
  }

  /** The probe timeout without backoff: RFC 9002, section 6.2.1. */
  probeTimeout(peerAckDelayMs: number): number {
    return this.smoothed + Math.max(4 * this.variation, GRANULARITY_MS) + peerAckDelayMs;
  }

  /** `factor` round trips, at least the granularity: RFC 9002, section 6.1.2. */
  lossDelay(factor: number): number {
    return Math.max(factor * Math.max(this.latest, this.smoothed), GRANULARITY_MS);
  }

  reset(): void {
    this.latest = 0;
    this.smoothed = INITIAL_RTT_MS;
    this.variation = INITIAL_RTT_MS / 2;
    this.firstSampleAt = Number.POSITIVE_INFINITY;
  }
}
