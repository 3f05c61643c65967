interface Scheduled {
  readonly at: number;
  readonly run: () => void;
}

/** Time that stands still until the next thing happens. Of things at the same time, the first scheduled is first. */
export class EventQueue {
  now = 0;
  /** By time; what comes next is last. */
  private readonly events: Scheduled[] = [];

  at(time: number, run: () => void): void {
    const at = Math.max(time, this.now);
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.events[middle]?.at ?? 0) > at) low = middle + 1;
      else high = middle;
    }
    this.events.splice(low, 0, { at, run });
  }

  /** Goes on until `done`, or the time is up. Returns whether it was done. */
  runUntil(deadline: number, done: () => boolean = () => false): boolean {
    for (;;) {
      if (done()) return true;
      const next = this.events[this.events.length - 1];
      if (next === undefined || next.at > deadline) break;
      this.events.pop();
      this.now = next.at;
      next.run();
    }
    this.now = Math.max(this.now, deadline);
    return done();
  }
}

/** Numbers in [0, 1) that look random and are the same for a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
