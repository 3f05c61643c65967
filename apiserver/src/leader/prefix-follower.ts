import type { ReadAll } from "@atlasnet/core";
import { type Change, type Clock, type ControlWatch, type Logger, readAll } from "@atlasnet/core";
import type { ReplicatedStore } from "../store/replicated-store.ts";

export interface FollowerEvents {
  /** Everything there is, as of a revision; also again, after a gap. */
  replaced(read: ReadAll): void;
  /** At least one. */
  changed(changes: readonly Change[]): void;
}

export interface FollowerDependencies {
  readonly store: Pick<ReplicatedStore, "range" | "watch">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Before the state is read again after an error. */
const RETRY_MS = 250;

/**
 * Keeps somebody up to date about the keys below a prefix, as this replica applies them: reads, then watches;
 * reads anew when the watch has a gap. For few keys: events are handled as they come.
 */
export class PrefixFollower {
  private readonly prefix: string;
  private readonly events: FollowerEvents;
  private readonly dependencies: FollowerDependencies;
  private watch: ControlWatch | undefined;
  private run = 0;
  private current = false;

  constructor(prefix: string, events: FollowerEvents, dependencies: FollowerDependencies) {
    this.prefix = prefix;
    this.events = events;
    this.dependencies = dependencies;
  }

  /** False while a gap is being closed. */
  get isCurrent(): boolean {
    return this.current;
  }

  /** Again from the beginning. */
  start(): void {
    this.stop();
    this.read(this.run);
  }

  /** No event comes after this. Idempotent. */
  stop(): void {
    this.run += 1;
    this.current = false;
    this.watch?.close();
    this.watch = undefined;
  }

  private read(run: number): void {
    const { store, clock, logger } = this.dependencies;
    readAll(store, this.prefix, "local").then(
      (read) => {
        if (run !== this.run) return;
        this.events.replaced(read);
        this.current = true;
        this.follow(read.revision);
      },
      (error: unknown) => {
        if (run !== this.run) return;
        logger.warn("The control state could not be read here.", { prefix: this.prefix, error });
        clock.setTimer(RETRY_MS, () => {
          if (run === this.run) this.read(run);
        });
      },
    );
  }

  private follow(after: number): void {
    const { store, clock, logger } = this.dependencies;
    const { run, prefix } = this;
    this.watch = store.watch(
      { prefix, after },
      {
        // Without changes it only says how far the watch is.
        changed: ({ changes }) => {
          if (changes.length > 0) this.events.changed(changes);
        },
        compacted: () => this.start(),
        failed: (error) => {
          this.current = false;
          logger.warn("A watch of the control state ended here.", { prefix, error });
          clock.setTimer(RETRY_MS, () => {
            if (run === this.run) this.start();
          });
        },
      },
    );
  }
}
