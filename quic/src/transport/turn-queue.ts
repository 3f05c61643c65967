/** What has work to do at the end of a turn of the event loop. */
export interface Flushed {
  /** The queue's: it waits to be flushed. */
  scheduled: boolean;
  flush(): void;
}

/** Gathers the work of a turn: each is flushed once, whatever came for it or was written to it. */
export class TurnQueue {
  private due: Flushed[] = [];
  private immediate: NodeJS.Immediate | undefined;

  /** At the end of this turn; from within a flush, of the next. */
  add(one: Flushed): void {
    if (one.scheduled) return;
    one.scheduled = true;
    this.due.push(one);
    this.immediate ??= setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    this.immediate = undefined;
    const due = this.due;
    this.due = [];
    for (const one of due) {
      one.scheduled = false;
      one.flush();
    }
  };
}
