/** The same report comes at most this often. */
const INTERVAL_MS = 5_000;
/** Different reports remembered; past it all are forgotten and come again. */
const MAX_REMEMBERED = 1_000;

/** Keeps a fault that happens every tick from filling the log. */
export class Repeats {
  private readonly now: () => number;
  private readonly seen = new Map<string, { at: number; held: number }>();

  constructor(now: () => number) {
    this.now = now;
  }

  /** How many were held back since the last one, if it is time to report; else undefined. */
  note(report: string): number | undefined {
    const now = this.now();
    const last = this.seen.get(report);
    if (last !== undefined && now - last.at < INTERVAL_MS) {
      last.held += 1;
      return undefined;
    }
    if (this.seen.size >= MAX_REMEMBERED) this.seen.clear();
    this.seen.set(report, { at: now, held: 0 });
    return last?.held ?? 0;
  }
}
