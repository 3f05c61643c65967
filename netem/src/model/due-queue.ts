interface Entry<T> {
  readonly at: number;
  /** Breaks ties: first in, first out. */
  readonly order: number;
  readonly item: T;
}

/** Things that become due at a time of their own: a binary heap. */
export class DueQueue<T> {
  private readonly heap: Entry<T>[] = [];
  private order = 0;

  get size(): number {
    return this.heap.length;
  }

  /** When the first is due; undefined when there is none. */
  get nextAt(): number | undefined {
    return this.heap[0]?.at;
  }

  add(at: number, item: T): void {
    const { heap } = this;
    const entry = { at, order: this.order++, item };
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || before(parent, entry)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = entry;
  }

  /** Takes the first that is due. */
  take(now: number): { readonly item: T } | undefined {
    const [top] = this.heap;
    if (top === undefined || top.at > now) return undefined;
    const last = this.heap.pop();
    if (last !== undefined && this.heap.length > 0) this.sink(last);
    return top;
  }

  clear(): void {
    this.heap.length = 0;
  }

  private sink(entry: Entry<T>): void {
    const { heap } = this;
    let place = 0;
    for (;;) {
      const left = heap[2 * place + 1];
      const right = heap[2 * place + 2];
      if (left === undefined) break;
      const useRight = right !== undefined && before(right, left);
      const child = useRight ? right : left;
      if (before(entry, child)) break;
      heap[place] = child;
      place = 2 * place + (useRight ? 2 : 1);
    }
    heap[place] = entry;
  }
}

function before<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
