/** The middle of some figures; of an even number of them, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest of some figures that this share of them does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** What rounds came to; three digits. */
export function spread(values: readonly number[]) {
  return {
    median: round(median(values), 3),
    min: round(Math.min(...values), 3),
    max: round(Math.max(...values), 3),
  };
}

/** Counts of milliseconds, in bins of a quarter; what is longer than a second is in the last bin. */
export class Histogram {
  private readonly bins = new Uint32Array(4001);
  private count = 0;
  private longest = 0;

  add(ms: number): void {
    this.count += 1;
    if (ms > this.longest) this.longest = ms;
    const bin = Math.min(4000, Math.floor(ms * 4));
    this.bins[bin] = (this.bins[bin] ?? 0) + 1;
  }

  /** The upper edge of the bin below which `share` of all values are. */
  percentile(share: number): number {
    const wanted = this.count * share;
    let seen = 0;
    for (let bin = 0; bin < this.bins.length; bin++) {
      seen += this.bins[bin] ?? 0;
      if (seen >= wanted && seen > 0) return (bin + 1) / 4;
    }
    return 0;
  }

  get max(): number {
    return this.longest;
  }

  get size(): number {
    return this.count;
  }

  reset(): void {
    this.bins.fill(0);
    this.count = 0;
    this.longest = 0;
  }
}
