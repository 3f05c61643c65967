import type { Clock, Logger } from "@atlasnet/core";
import type { ReplicatedStore } from "../store/replicated-store.ts";

/** A term in which this apiserver leads, with its first entry applied. */
export interface Reign {
  readonly term: number;
  /** Of the clock; not before the election. */
  readonly electedAt: number;
}

export interface LeadershipEvents {
  lead(reign: Reign): void;
  /** After each `lead`, once. */
  follow(): void;
}

export interface LeadershipDependencies {
  readonly store: Pick<ReplicatedStore, "leader" | "readBarrier">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** After a barrier that failed although this node leads. */
const RETRY_MS = 100;

/**
 * Whether this apiserver leads, and since when it knows what it inherited: a read barrier after the election has the
 * term's first entry applied.
 */
export class Leadership {
  private readonly node: string;
  private readonly events: LeadershipEvents;
  private readonly dependencies: LeadershipDependencies;
  /** Elected, maybe not ready yet. */
  private elected: Reign | undefined;
  private leading = false;
  private stopped = false;

  constructor(node: string, events: LeadershipEvents, dependencies: LeadershipDependencies) {
    this.node = node;
    this.events = events;
    this.dependencies = dependencies;
  }

  /** Undefined before `lead` and after the leadership went, also when nobody has told yet. */
  get reign(): Reign | undefined {
    return this.leading && this.elected?.term === this.term ? this.elected : undefined;
  }

  /** The leader or the term may be another. */
  changed(): void {
    if (this.stopped) return;
    const { term } = this;
    if (term === this.elected?.term) return;
    this.resign();
    if (term === undefined) return;
    const reign = { term, electedAt: this.dependencies.clock.now() };
    this.elected = reign;
    this.takeOver(reign);
  }

  /** Tells `follow` if it has to. Idempotent. */
  stop(): void {
    this.stopped = true;
    this.resign();
  }

  private get term(): number | undefined {
    const leader = this.dependencies.store.leader();
    return leader?.node === this.node ? leader.term : undefined;
  }

  private resign(): void {
    this.elected = undefined;
    if (!this.leading) return;
    this.leading = false;
    this.events.follow();
  }

  private takeOver(reign: Reign): void {
    const { store, clock, logger } = this.dependencies;
    store.readBarrier().then(
      () => {
        if (this.elected !== reign || this.term !== reign.term) return;
        this.leading = true;
        this.events.lead(reign);
      },
      (error: unknown) => {
        if (this.elected !== reign) return;
        logger.debug("This apiserver leads, and cannot yet read what it inherited.", { error });
        clock.setTimer(RETRY_MS, () => {
          if (this.elected === reign) this.takeOver(reign);
        });
      },
    );
  }
}
