import { addressKey, type Clock } from "@atlasnet/core";

/** So many at once after a while of quiet, then so many per second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface IntakeRates {
  /** From one address; of IPv6, from one /64 network. */
  readonly ofAddress: Rate;
  readonly ofAll: Rate;
}

/**
 * One handshake costs us about 2 ms of CPU, and it costs a stranger less. So one address takes at most some
 * percent of a core, all together a fifth, and what they hold until their time is over stays below the number
 * of connections that may be open: who has links keeps them, and who is known finds room.
 */
export const DEFAULT_INTAKE: IntakeRates = {
  ofAddress: { perSecond: 25, burst: 64 },
  ofAll: { perSecond: 100, burst: 256 },
};

/** Addresses that are remembered; beyond it the one that was quiet for longest begins anew. */
export const MAX_INTAKE_ADDRESSES = 4096;

interface Bucket {
  left: number;
  at: number;
}

/** Whether one more connection is taken in now. Nothing runs between two questions. */
export class Intake {
  private readonly rates: IntakeRates;
  private readonly clock: Clock;
  private readonly ofAll: Bucket;
  private readonly ofAddress = new Map<string, Bucket>();

  constructor(rates: IntakeRates, { clock }: { readonly clock: Clock }) {
    this.rates = rates;
    this.clock = clock;
    this.ofAll = { left: rates.ofAll.burst, at: clock.now() };
  }

  get addresses(): number {
    return this.ofAddress.size;
  }

  take(address: string): boolean {
    const now = this.clock.now();
    const { ofAddress, ofAll } = this.rates;
    const key = addressKey(address);
    const own = this.ofAddress.get(key) ?? { left: ofAddress.burst, at: now };
    // Put at the end: the first one was quiet for longest.
    this.ofAddress.delete(key);
    this.ofAddress.set(key, own);
    for (const [oldest] of this.ofAddress) {
      if (this.ofAddress.size <= MAX_INTAKE_ADDRESSES) break;
      this.ofAddress.delete(oldest);
    }
    // What an address may not have is not taken from the others.
    if (!refill(own, ofAddress, now) || !refill(this.ofAll, ofAll, now)) return false;
    own.left -= 1;
    this.ofAll.left -= 1;
    return true;
  }
}

/** Whether there is one. */
function refill(bucket: Bucket, { perSecond, burst }: Rate, now: number): boolean {
  const gained = (Math.max(0, now - bucket.at) / 1000) * perSecond;
  bucket.left = Math.min(burst, bucket.left + gained);
  bucket.at = now;
  return bucket.left >= 1;
}
