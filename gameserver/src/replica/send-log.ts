/** A part of something that is sent in order: from one position to a later one. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** What it counts against bounds. */
  readonly cost: number;
}

/**
 * Spans that follow each other, kept until they are acknowledged, so that they can be sent again from any position
 * at which one begins.
 */
export class SendLog<T extends Span> {
  private readonly spans: T[] = [];
  /** Those before it were sent. */
  private cursor = 0;
  private begin: number;
  private sentCost = 0;
  private keptCost = 0;

  constructor(begin: number) {
    this.begin = begin;
  }

  /** Everything before it was acknowledged. */
  get acknowledged(): number {
    return this.begin;
  }

  /** Up to which position there is anything. */
  get end(): number {
    return this.spans.at(-1)?.end ?? this.begin;
  }

  /** Up to which position it was sent. */
  get sent(): number {
    return this.spans[this.cursor - 1]?.end ?? this.begin;
  }

  /** Spans that are not acknowledged, and their cost. */
  get count(): number {
    return this.spans.length;
  }

  get cost(): number {
    return this.keptCost;
  }

  /** The cost of those that were sent. */
  get inFlight(): number {
    return this.sentCost;
  }

  /** `span` begins at `end`. */
  push(span: T): void {
    this.spans.push(span);
    this.keptCost += span.cost;
  }

  /** The next to be sent, within a bound on what is in flight; one alone may be larger than it. */
  take(window: number): T | undefined {
    const span = this.spans[this.cursor];
    if (span === undefined) return undefined;
    if (this.sentCost > 0 && this.sentCost + span.cost > window) return undefined;
    this.cursor += 1;
    this.sentCost += span.cost;
    return span;
  }

  /** Forgets what ends at or before `position`. False when it was not sent so far, or is behind an earlier one. */
  acknowledge(position: number): boolean {
    if (position < this.begin || position > this.sent) return false;
    const left = this.spans.findIndex((span) => span.end > position);
    const gone = this.spans.splice(0, left < 0 ? this.spans.length : left);
    for (const { cost } of gone) {
      this.keptCost -= cost;
      this.sentCost -= cost;
    }
    this.cursor -= gone.length;
    this.begin = position;
    return true;
  }

  /** Sends again from `position` on; false when no span begins there. What is before it counts as sent. */
  rewind(position: number): boolean {
    const first = this.spans[0]?.start ?? this.begin;
    let index = this.spans.findIndex(({ start }) => start === position);
    if (index < 0 && position === this.end && position >= first) index = this.spans.length;
    if (index < 0) return false;
    this.cursor = index;
    this.sentCost = 0;
    for (const { cost } of this.spans.slice(0, index)) this.sentCost += cost;
    return true;
  }
}
