/** What every empty set has in common: most sets of a connection are empty for most of its life. Never written. */
const NONE: number[] = [];

/**
 * A set of whole numbers as ranges `[start, end)`, ascending, that neither touch nor overlap. What is
 * added is mostly at the end, and there are mostly few.
 */
export class RangeSet {
  /** Starts and ends in turn. */
  private bounds: number[] = NONE;

  get count(): number {
    return this.bounds.length >> 1;
  }

  startAt(index: number): number {
    return this.bounds[2 * index] ?? 0;
  }

  endAt(index: number): number {
    return this.bounds[2 * index + 1] ?? 0;
  }

  add(start: number, end: number): void {
    const bounds = this.bounds;
    if (bounds.length === 0) {
      // As large as it has to be: an array that grows by a push begins with room for 17 numbers.
      this.bounds = [start, end];
      return;
    }
    const last = bounds.length - 1;
    const lastEnd = bounds[last] ?? -1;
    if (start > lastEnd) {
      bounds.push(start, end);
      return;
    }
    if (start >= (bounds[last - 1] ?? 0)) {
      if (end > lastEnd) bounds[last] = end;
      return;
    }
    const from = this.firstEndingFrom(start);
    let to = from;
    while (to < bounds.length && (bounds[to] ?? 0) <= end) to += 2;
    if (from === to) {
      bounds.splice(from, 0, start, end);
      return;
    }
    const joinedStart = Math.min(start, bounds[from] ?? start);
    const joinedEnd = Math.max(end, bounds[to - 1] ?? end);
    bounds.splice(from, to - from, joinedStart, joinedEnd);
  }

  remove(start: number, end: number): void {
    const bounds = this.bounds;
    const from = this.firstEndingFrom(start + 1);
    let to = from;
    while (to < bounds.length && (bounds[to] ?? 0) < end) to += 2;
    if (from === to) return;
    const firstStart = bounds[from] ?? 0;
    const lastEnd = bounds[to - 1] ?? 0;
    bounds.splice(from, to - from);
    if (lastEnd > end) bounds.splice(from, 0, end, lastEnd);
    if (firstStart < start) bounds.splice(from, 0, firstStart, start);
  }

  /** Forgets the lowest range. */
  dropFirst(): void {
    if (this.bounds.length > 0) this.bounds.splice(0, 2);
  }

  clear(): void {
    this.bounds = NONE;
  }

  /** Index in `bounds` of the first range whose end is not below `value`. */
  private firstEndingFrom(value: number): number {
    const bounds = this.bounds;
    let low = 0;
    let high = bounds.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bounds[2 * middle + 1] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
