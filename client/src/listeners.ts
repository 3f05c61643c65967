import type { Logger, Unsubscribe } from "./types.ts";

/** Those who listen to one kind of event. A listener that throws does not keep it from the others. */
export class Listeners<T> {
  private list: ((value: T) => void)[] = [];
  private readonly what: string;
  private readonly logger: Logger;

  constructor(what: string, logger: Logger) {
    this.what = what;
    this.logger = logger;
  }

  add(listener: (value: T) => void): Unsubscribe {
    // Copied on write, so that listeners may come and go while an event is told.
    const entry = (value: T) => listener(value);
    this.list = [...this.list, entry];
    return () => {
      this.list = this.list.filter((other) => other !== entry);
    };
  }

  get empty(): boolean {
    return this.list.length === 0;
  }

  tell(value: T): void {
    for (const listener of this.list) {
      try {
        listener(value);
      } catch (error) {
        this.logger.warn(`a listener of ${this.what} threw`, error);
      }
    }
  }
}
