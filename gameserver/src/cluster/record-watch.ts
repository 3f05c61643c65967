import {
  type Change,
  type Clock,
  type ControlStore,
  type ControlWatch,
  describeError,
  type KeyValue,
  type Logger,
  readAll,
  type Timer,
} from "@atlasnet/core";

/** Pauses before a failed reading or watch begins again, in ms. */
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;

export interface RecordWatchEvents {
  /** Everything below the prefix, read anew. */
  view(prefix: string, items: readonly KeyValue[]): void;
  changes(changes: readonly Change[]): void;
}

export interface RecordWatchDependencies {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Follows everything below a prefix of the control store: reads it, watches it, and reads again after a gap. */
export class RecordWatch {
  readonly prefix: string;
  private readonly dependencies: RecordWatchDependencies;
  private readonly events: RecordWatchEvents;
  private watch: ControlWatch | undefined;
  private timer: Timer | undefined;
  private failures = 0;
  /** Grows with every beginning: what an older one brings is of no account. */
  private run = 0;

  constructor(prefix: string, dependencies: RecordWatchDependencies, events: RecordWatchEvents) {
    this.prefix = prefix;
    this.dependencies = dependencies;
    this.events = events;
  }

  /** Reads everything, from the beginning if it runs already. */
  start(): void {
    this.stop();
    const { run } = this;
    this.read(run).catch((error: unknown) => this.failed(run, error));
  }

  /** Idempotent; `start` begins again. */
  stop(): void {
    this.run += 1;
    this.watch?.close();
    this.watch = undefined;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private async read(run: number): Promise<void> {
    const { store } = this.dependencies;
    const { revision, items } = await readAll(store, this.prefix);
    if (run !== this.run) return;
    this.failures = 0;
    this.events.view(this.prefix, items);
    this.watch = store.watch(
      { prefix: this.prefix, after: revision },
      {
        changed: ({ changes }) => {
          if (run === this.run && changes.length > 0) this.events.changes(changes);
        },
        compacted: () => {
          if (run === this.run) this.start();
        },
        failed: (error) => this.failed(run, error),
      },
    );
  }

  private failed(run: number, error: unknown): void {
    if (run !== this.run) return;
    this.stop();
    this.failures += 1;
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(10, this.failures - 1));
    this.dependencies.logger.warn("The control plane's records cannot be followed; trying again.", {
      prefix: this.prefix,
      problem: describeError(error),
      retryMs: pause,
    });
    this.timer = this.dependencies.clock.setTimer(pause, () => this.start());
  }
}
