/**
 * How a handler that threw, or was interrupted, is taken back. Every table pushes an entry *before* it
 * changes anything, and every entry may run whether or not its change was made: an interruption can
 * strike between the two. For the same reason entries may run twice.
 *
 * A savepoint is one number, `mark`. What belongs to it (entries here, and what the store keeps) lies in
 * one of two places, chosen by its parity: the next savepoint is made ready beside the one in force, and
 * counting `mark` up puts all of it in force at once. So an interruption finds the one or the other.
 */
export class UndoLog {
  /** By parity of the savepoint; the arrays keep their room from handler to handler. */
  private readonly entries: [(() => void)[], (() => void)[]] = [[], []];
  /** How many of `entries` count. */
  private readonly sizes: [number, number] = [0, 0];
  /** Number of the savepoint in force; grows, so that marks of older ones never match. */
  mark = 1;

  push(undo: () => void): void {
    const at = parity(this.mark);
    this.entries[at][this.sizes[at]] = undo;
    this.sizes[at] += 1;
  }

  /** What came before stays; what comes after can be taken back. */
  savepoint(): void {
    this.sizes[parity(this.mark + 1)] = 0;
    this.mark += 1;
  }

  /** Lets go of what the entries held; nothing can be taken back until the next savepoint. */
  clear(): void {
    for (const entries of this.entries) entries.length = 0;
    this.sizes.fill(0);
  }

  /** Takes back everything since the savepoint, newest first. It stays in force: make another one. */
  rollback(): void {
    const at = parity(this.mark);
    for (let i = this.sizes[at] - 1; i >= 0; i--) this.entries[at][i]?.();
  }
}

/** Where a savepoint's own things lie. */
export function parity(mark: number): 0 | 1 {
  return mark % 2 === 0 ? 0 : 1;
}
