/** Later than this a look means that the process stood still. */
const STALL_MS = 1_000;
/** So long after a stall, what was sent during it is still coming in. */
const CATCH_UP_MS = 2_000;
/** At most so much of a stall is made good: whoever hears nothing for longer has gone elsewhere. */
export const MAX_STALL_ALLOWANCE_MS = 30_000;

/**
 * When this process itself stood still: its event loop was held up, or it was stopped and goes on. What clients
 * sent meanwhile comes all at once then, and is no fault of theirs. A timer that comes late shows it; what comes
 * in may be read before that timer is called. Times in ms, on any clock that does not go back.
 */
export class Stalls {
  private lookedAt = Number.POSITIVE_INFINITY;
  private dueAt = Number.POSITIVE_INFINITY;
  private ms = 0;
  private until = Number.NEGATIVE_INFINITY;

  /** The next look is planned at `now`, for `dueAt`. */
  plan(now: number, dueAt: number): void {
    this.lookedAt = now;
    this.dueAt = dueAt;
  }

  /** The look that was planned: whether the process stood still before it. */
  look(now: number): boolean {
    if (!this.isLate(now)) return false;
    this.ms = this.stalledMs(now);
    this.until = now + CATCH_UP_MS;
    return true;
  }

  /** For so many ms clients may have sent what is read only now; 0 as long as nothing stood still. */
  allowanceMs(now: number): number {
    if (this.isLate(now)) return this.stalledMs(now);
    return now < this.until ? this.ms : 0;
  }

  private isLate(now: number): boolean {
    return now >= this.dueAt + STALL_MS;
  }

  /** One stall soon after another: who said nothing in between has both to make good. */
  private stalledMs(now: number): number {
    const before = this.lookedAt < this.until ? this.ms : 0;
    return Math.min(MAX_STALL_ALLOWANCE_MS, before + now - this.lookedAt);
  }
}
