/** Things that arrive, for tests that wait for them in order. */
export class Arrivals<T> {
  readonly all: T[] = [];
  private taken = 0;
  private waiters: (() => void)[] = [];
  private ended = false;

  add(item: T): void {
    this.all.push(item);
    this.wake();
  }

  /** Nothing more will come. */
  end(): void {
    this.ended = true;
    this.wake();
  }

  /** The next one that nobody has taken. Rejects when none will come. */
  async next(): Promise<T> {
    while (this.taken >= this.all.length) {
      if (this.ended) throw new Error(`ended after ${this.all.length} arrivals`);
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
    const item = this.all[this.taken++];
    if (item === undefined) throw new Error("an arrival without a value");
    return item;
  }

  /** Takes until one fits. */
  async until(fits: (item: T) => boolean): Promise<T> {
    for (;;) {
      const item = await this.next();
      if (fits(item)) return item;
    }
  }

  /** Resolves at `end`. */
  async untilEnd(): Promise<readonly T[]> {
    while (!this.ended) await new Promise<void>((resolve) => this.waiters.push(resolve));
    return this.all;
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }
}
