/**
 * How a handler that threw, or was interrupted, is taken back. Every table pushes an entry *before* it
 * changes anything, and every entry may run whether or not its change was made: an interruption can
 * strike between the two.
 */
export class UndoLog {
  private entries: (() => void)[] = [];
  /** Number of the savepoint in force; grows, so that marks of older ones never match. */
  mark = 1;

  push(undo: () => void): void {
    this.entries.push(undo);
  }

  /** What came before stays; what comes after can be taken back. */
  savepoint(): void {
    this.entries.length = 0;
    this.mark += 1;
  }

  /** Takes back everything since the savepoint, newest first. */
  rollback(): void {
    for (let i = this.entries.length - 1; i >= 0; i--) this.entries[i]?.();
    this.savepoint();
  }
}
