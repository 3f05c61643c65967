/** Does one thing after the other: what is asked for in the middle of something comes behind it. */
export class InTurn {
  private readonly queue: (() => void)[] = [];
  private isBusy = false;

  run(work: () => void): void {
    this.queue.push(work);
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) next();
    } finally {
      this.isBusy = false;
    }
  }
}
