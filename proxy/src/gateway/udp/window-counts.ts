const WINDOW_MS = 1_000;

export interface WindowCountsOptions {
  /** Allowed within one second for one address. */
  perAddress: number;
  /** Addresses told apart; those that come when the table is full share one count. */
  maxAddresses: number;
  /** Allowed within one second for all that share. */
  shared: number;
}

/**
 * Counts by address within the current second. Bounded: a flood from more addresses than fit costs
 * the newcomers among them their own count, for a second.
 */
export class WindowCounts {
  private readonly options: WindowCountsOptions;
  private readonly counts = new Map<string, number>();
  private shared = 0;
  private windowEnd = 0;

  constructor(options: WindowCountsOptions) {
    this.options = options;
  }

  /** Counts one more. */
  add(address: string, now: number): void {
    this.turn(now);
    const { counts, options } = this;
    const count = counts.get(address);
    if (count !== undefined) counts.set(address, count + 1);
    else if (counts.size < options.maxAddresses) counts.set(address, 1);
    else this.shared += 1;
  }

  /** True when the address has used up what it may in this second. */
  spent(address: string, now: number): boolean {
    this.turn(now);
    const { counts, options } = this;
    const count = counts.get(address);
    if (count !== undefined) return count >= options.perAddress;
    return counts.size >= options.maxAddresses && this.shared >= options.shared;
  }

  private turn(now: number): void {
    if (now < this.windowEnd) return;
    this.windowEnd = now + WINDOW_MS;
    this.counts.clear();
    this.shared = 0;
  }
}
