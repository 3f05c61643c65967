interface OpenRound {
  readonly round: number;
  readonly index: number;
  readonly contexts: readonly number[];
}

/**
 * Reads of one leadership. A read is served when a quorum has answered a heartbeat round that began
 * after it came: until then this node cannot know that nobody else leads. Reads that come while a
 * round is open share the next.
 */
export class ReadQueue {
  private waiting: number[] = [];
  private open: OpenRound[] = [];

  get size(): number {
    return this.open.reduce((sum, round) => sum + round.contexts.length, this.waiting.length);
  }

  get hasWaiting(): boolean {
    return this.waiting.length > 0;
  }

  get hasOpen(): boolean {
    return this.open.length > 0;
  }

  add(context: number): void {
    this.waiting.push(context);
  }

  /** All that wait go with a round that begins now, and see what is committed now. */
  begin(round: number, index: number): void {
    if (this.waiting.length === 0) return;
    this.open.push({ round, index, contexts: this.waiting });
    this.waiting = [];
  }

  /** The reads that a quorum's answer to `round` settles. */
  confirmed(round: number): readonly { context: number; index: number }[] {
    const settled = this.open.filter((open) => open.round <= round);
    if (settled.length === 0) return [];
    this.open = this.open.filter((open) => open.round > round);
    return settled.flatMap((open) =>
      open.contexts.map((context) => ({ context, index: open.index })),
    );
  }

  /** All reads that were not served; the queue is empty then. */
  drain(): readonly number[] {
    const contexts = [...this.open.flatMap((open) => open.contexts), ...this.waiting];
    this.open = [];
    this.waiting = [];
    return contexts;
  }
}
