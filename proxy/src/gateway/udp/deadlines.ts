/** Slots of the ring: it reaches so many times `slotMs` into the future. */
const SLOTS = 256;
const NOWHERE = -1;

/** One thing that wants to be woken; made by `Deadlines.entry`. */
export interface DeadlineEntry<T> {
  readonly item: T;
  /** When it is due; Infinity: never. Changed by `Deadlines.set` alone. */
  at: number;
  /** Number of the slot it lies in. A copy of it in another slot is out of date. */
  slot: number;
}

/**
 * The deadlines of many connections behind one timer: a ring of slots. Deadlines move with nearly
 * every packet, mostly away, so an entry stays where it lies when its deadline grows and is put
 * further when its slot comes up. What is beyond the ring waits in the last slot.
 */
export class Deadlines<T> {
  private readonly slotMs: number;
  private readonly ring: DeadlineEntry<T>[][] = Array.from({ length: SLOTS }, () => []);
  /** All slots up to this one are done with. */
  private last: number;
  /** Entries in the ring, outdated copies included. */
  private lying = 0;

  constructor(options: { slotMs: number; now: number }) {
    this.slotMs = options.slotMs;
    this.last = Math.floor(options.now / options.slotMs);
  }

  entry(item: T): DeadlineEntry<T> {
    return { item, at: Number.POSITIVE_INFINITY, slot: NOWHERE };
  }

  /** Sets or moves a deadline, in ms of the clock that `advance` is given. Infinity takes it away. */
  set(entry: DeadlineEntry<T>, at: number): void {
    entry.at = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const slot = Math.min(
      Math.max(Math.ceil(at / this.slotMs), this.last + 1),
      this.last + SLOTS - 1,
    );
    if (entry.slot === NOWHERE || slot < entry.slot) this.put(entry, slot);
  }

  private put(entry: DeadlineEntry<T>, slot: number): void {
    entry.slot = slot;
    this.ring[slot % SLOTS]?.push(entry);
    this.lying += 1;
  }

  /** When `advance` should be called: never later than the next deadline. Infinity: nothing waits. */
  get nextAt(): number {
    if (this.lying === 0) return Number.POSITIVE_INFINITY;
    for (let slot = this.last + 1; ; slot++)
      if ((this.ring[slot % SLOTS]?.length ?? 0) > 0) return slot * this.slotMs;
  }

  /** Calls `due` for each entry whose deadline passed, at most `slotMs` late; it has none then. */
  advance(now: number, due: (item: T) => void): void {
    const first = this.last + 1;
    const reached = Math.floor(now / this.slotMs);
    if (reached < first) return;
    this.last = reached;
    for (let slot = Math.max(first, reached - SLOTS + 1); slot <= reached; slot++) {
      const entries = this.ring[slot % SLOTS];
      if (entries === undefined || entries.length === 0) continue;
      this.ring[slot % SLOTS] = [];
      this.lying -= entries.length;
      for (const entry of entries) this.visit(entry, slot, now, due);
    }
  }

  private visit(entry: DeadlineEntry<T>, slot: number, now: number, due: (item: T) => void): void {
    // After a long pause a round of the ring may meet what was put there a moment ago.
    if (entry.slot > this.last && entry.slot % SLOTS === slot % SLOTS)
      return this.put(entry, entry.slot);
    if (entry.slot % SLOTS !== slot % SLOTS || entry.slot === NOWHERE) return;
    entry.slot = NOWHERE;
    if (entry.at > now) return this.set(entry, entry.at);
    entry.at = Number.POSITIVE_INFINITY;
    due(entry.item);
  }
}
