import type { SequenceError, SequenceEvents } from "./sequence-checker.ts";
import type { Tally } from "./tally.ts";

/**
 * The measured window: which messages count, and what becomes of them. A message belongs to it by when it
 * was due, however late it is sent or answered.
 */
export class MeasuredWindow implements SequenceEvents {
  startAt = Number.POSITIVE_INFINITY;
  endAt = Number.POSITIVE_INFINITY;
  private readonly tally: Tally;
  private readonly now: () => number;
  private readonly onRoundTrip: (ms: number) => void;

  /** `onRoundTrip` hears of every round trip, in the window or not. */
  constructor(dependencies: {
    tally: Tally;
    now: () => number;
    onRoundTrip: (ms: number) => void;
  }) {
    this.tally = dependencies.tally;
    this.now = dependencies.now;
    this.onRoundTrip = dependencies.onRoundTrip;
  }

  /** Ends it early; one that has not begun is empty then. */
  cut(now: number): void {
    this.startAt = Math.min(this.startAt, now);
    this.endAt = Math.min(this.endAt, now);
  }

  has(due: number): boolean {
    return due >= this.startAt && due < this.endAt;
  }

  sent(due: number): void {
    const { counts } = this.tally;
    counts.sentEver += 1;
    if (!this.has(due)) return;
    counts.sent += 1;
    this.tally.sendLate.add(this.now() - due);
  }

  acknowledged(due: number): void {
    const { counts } = this.tally;
    const now = this.now();
    counts.acknowledgedEver += 1;
    this.onRoundTrip(now - due);
    if (this.has(now)) counts.acknowledgedMeanwhile += 1;
    if (!this.has(due)) return;
    counts.acknowledged += 1;
    this.tally.roundTrip.add(now - due);
  }

  lost(due: number): void {
    if (this.has(due)) this.tally.counts.lost += 1;
  }

  failed(kind: SequenceError, detail: string): void {
    this.tally.sequenceError(kind, detail);
  }
}
