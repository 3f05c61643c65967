/**
 * Tells somebody of what happened, in order, one after another, and never from within the call in which it
 * happened.
 */
export class Notices {
  private readonly onFault: (error: unknown) => void;
  private last: Promise<void> = Promise.resolve();
  private closed = false;

  /** `onFault`: whoever was told threw. Nothing is told after that. */
  constructor(onFault: (error: unknown) => void) {
    this.onFault = onFault;
  }

  /** Resolves once it was told, and once what it gave resolved; also when there was nobody to tell any more. */
  tell(notice: () => void | Promise<void>): Promise<void> {
    this.last = this.last.then(async () => {
      if (this.closed) return;
      try {
        await notice();
      } catch (error) {
        this.closed = true;
        this.onFault(error);
      }
    });
    return this.last;
  }

  /** Nothing is told from here on. */
  close(): void {
    this.closed = true;
  }

  get isClosed(): boolean {
    return this.closed;
  }
}
