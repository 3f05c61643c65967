import { WindowCounts } from "./window-counts.ts";

/** Part of the handshakes of a second that one address may have while others want some, too. */
const SHARE = 1 / 4;
const MAX_ADDRESSES = 4_096;

/**
 * How many handshakes are computed: each costs some 300 µs. A bucket for all; its lower half is for
 * addresses that have not had their share in this second, so one address alone may use the whole
 * rate and still leaves the others theirs.
 */
export class HandshakeBudget {
  private readonly perSecond: number;
  private readonly shares: WindowCounts;
  private tokens: number;
  private filledAt: number;

  constructor(options: { perSecond: number; now: number }) {
    const { perSecond } = options;
    this.perSecond = perSecond;
    this.tokens = perSecond;
    this.filledAt = options.now;
    const share = Math.max(1, Math.floor(perSecond * SHARE));
    this.shares = new WindowCounts({
      perAddress: share,
      maxAddresses: MAX_ADDRESSES,
      shared: share,
    });
  }

  /** True: the handshake may be computed, and is counted. */
  take(address: string, now: number): boolean {
    const filled = this.tokens + ((now - this.filledAt) / 1000) * this.perSecond;
    this.filledAt = now;
    this.tokens = Math.min(this.perSecond, filled);
    if (this.tokens < 1) return false;
    if (this.tokens <= this.perSecond / 2 && this.shares.spent(address, now)) return false;
    this.tokens -= 1;
    this.shares.add(address, now);
    return true;
  }
}
