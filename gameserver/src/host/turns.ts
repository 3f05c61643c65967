/** One piece of work at a time for each key; whoever comes meanwhile waits for its turn. */
export class Turns {
  private readonly current = new Map<string, Promise<void>>();

  /** Begins `work` in the same moment in which it finds that nothing is under way: of several who wait one goes on. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    // Not by `idle`: between its answer and the work another one who waited could begin, too.
    for (let turn = this.current.get(key); turn !== undefined; turn = this.current.get(key))
      await turn;
    const working = work();
    const turn = working.then(ignore, ignore);
    this.current.set(key, turn);
    try {
      return await working;
    } finally {
      this.current.delete(key);
    }
  }

  /** Waits until nothing is under way. */
  async idle(key: string): Promise<void> {
    for (let turn = this.current.get(key); turn !== undefined; turn = this.current.get(key))
      await turn;
  }
}

/** Whoever asked hears of the failure; those who wait only need to know that it is over. */
function ignore(): void {}
