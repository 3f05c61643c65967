/**
 * How a handler that threw, or was interrupted, is taken back. Every table pushes an entry *before* it
 * changes anything, and every entry may run whether or not its change was made: an interruption can
 * strike between the two.
 */
export class UndoLog {
  private readonly entries: (() => void)[] = [];
  /** How many of `entries` count; the array keeps its room from handler to handler. */
  private size = 0;
  /** Number of the savepoint in force; grows, so that marks of older ones never match. */
  mark = 1;

  push(undo: () => void): void {
    this.entries[this.size] = undo;
    this.size += 1;
  }

  /** What came before stays; what comes after can be taken back. */
  savepoint(): void {
    this.size = 0;
    this.mark += 1;
  }

  /** A savepoint that also lets go of what the older entries held. */
  clear(): void {
    this.entries.length = 0;
    this.savepoint();
  }

  /** Takes back everything since the savepoint, newest first. */
  rollback(): void {
    for (let i = this.size - 1; i >= 0; i--) this.entries[i]?.();
    this.savepoint();
  }
}
