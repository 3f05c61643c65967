import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from "hdr-histogram-js";

/** Longest time that is told apart from longer ones, in microseconds: an hour. */
const MAX_US = 3_600_000_000;
/** Values are kept to 3 digits: 104.6 ms is 104.6, not 104.63. */
const DIGITS = 3;

/** Times in milliseconds. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Counts of times, from a microsecond to an hour, exact to three digits; those of many processes add up. */
export class Latency {
  private readonly histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_US,
    numberOfSignificantValueDigits: DIGITS,
    bitBucketSize: 32,
    useWebAssembly: false,
  });

  /** Times below 0 count as 0, times above an hour as an hour. */
  add(ms: number): void {
    this.histogram.recordValue(Math.min(MAX_US, Math.max(0, Math.round(ms * 1000))));
  }

  /**
   * The same for what is measured every `everyMs`, but not while it lasts: a stall of 400 ms counts as the
   * many measurements that it kept from being made.
   */
  addStall(ms: number, everyMs: number): void {
    const us = Math.min(MAX_US, Math.max(0, Math.round(ms * 1000)));
    this.histogram.recordValueWithExpectedInterval(us, Math.round(everyMs * 1000));
  }

  get count(): number {
    return this.histogram.totalCount;
  }

  /** The time that `share` (0 to 1) of all are not above; 0 when there are none. */
  percentile(share: number): number {
    return inMs(this.histogram.getValueAtPercentile(share * 100));
  }

  get percentiles(): Percentiles {
    const { histogram, count } = this;
    return {
      count,
      mean: count === 0 ? 0 : inMs(histogram.mean),
      p50: this.percentile(0.5),
      p90: this.percentile(0.9),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: count === 0 ? 0 : inMs(histogram.maxValue),
    };
  }

  reset(): void {
    this.histogram.reset();
  }

  /** As text for another process. */
  encode(): string {
    return encodeIntoCompressedBase64(this.histogram);
  }

  /** Adds what another one has `encode`d. */
  merge(encoded: string): void {
    this.histogram.add(decodeFromCompressedBase64(encoded, 32, false));
  }
}

function inMs(us: number): number {
  return Math.round(us) / 1000;
}
