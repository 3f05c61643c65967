import type { EventQueue } from "./event-queue.ts";
import type { Replication } from "./replication.ts";
import type { SessionLife } from "./session-life.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { StateCodec } from "./state-codec.ts";
import type { Store } from "./store.ts";
import type { Topics } from "./topics.ts";

export interface SuccessionDependencies {
  store: Store;
  codec: StateCodec;
  replication: Replication;
  topics: Topics;
  life: SessionLife;
  queue: EventQueue;
}

/** What a shard acts under. `parted`: see `SessionTable.wentAside`. */
export interface Run {
  epoch: number;
  timeline: number;
  parted?: boolean;
}

/**
 * How a shard goes on from a state that was lived before it, once, before its first tick: after a restart it resumes (the
 * world hears that everybody is gone), in the place of another shard it takes over (the world hears nothing).
 */
export class Succession {
  private readonly options: ShardOptions;
  private readonly store: Store;
  private readonly codec: StateCodec;
  private readonly replication: Replication;
  private readonly topics: Topics;
  private readonly life: SessionLife;
  private readonly queue: EventQueue;

  constructor(options: ShardOptions, dependencies: SuccessionDependencies) {
    this.options = options;
    this.store = dependencies.store;
    this.codec = dependencies.codec;
    this.replication = dependencies.replication;
    this.topics = dependencies.topics;
    this.life = dependencies.life;
    this.queue = dependencies.queue;
  }

  /** Takes in a snapshot, then deltas, and resumes. @throws DecodeError */
  restore(snapshot: Uint8Array, deltas: Iterable<Uint8Array>): void {
    this.codec.apply(snapshot, this.store);
    for (const delta of deltas) this.codec.apply(delta, this.store);
    this.resume();
  }

  /** Resumes with a state that was made for this definition out of another one's. */
  adopt(fill: (store: Store) => void): void {
    this.fill(fill);
    this.resume();
  }

  /**
   * Goes on in the place of the shard that it followed. Nobody is attached yet, and sessions count as connected
   * for EXPECT_BACK_SECONDS: the world sees neither `drop` nor `resume` of a player who attaches again in time.
   * Their numbers and outboxes are in the state, so that both directions go on where they were (rule 4.1).
   */
  takeOver(run: Run): void {
    this.replication.promote();
    this.store.entities.onPlace = undefined;
    this.life.expectAll();
    this.assume(run);
  }

  /** Like `takeOver`, with a state that was made for this definition out of another one's. */
  succeed(fill: (store: Store) => void, run: Run): void {
    this.fill(fill);
    this.store.clearChanges();
    this.topics.restore(this.store.entities.all());
    this.life.expectAll();
    this.assume(run);
  }

  /**
   * Acts at this epoch and timeline from here on. A shard whose run is not known yet is made with
   * timeline 0, restored, and told before its first tick.
   */
  assume(run: Run): void {
    this.options.epoch = run.epoch;
    this.options.timeline = run.timeline;
    if (run.timeline === 0 || run.timeline === this.store.timeline) return;
    const { sessions, timeline } = this.store;
    if (timeline !== 0) run.parted === true ? sessions.wentAside(timeline) : sessions.wentBack();
    this.store.timeline = run.timeline;
  }

  private fill(fill: (store: Store) => void): void {
    fill(this.store);
    this.topics.settle(this.store.entities.all());
  }

  /** After the store was filled: sessions wait for their clients, topics stand as recorded. */
  private resume(): void {
    this.store.clearChanges();
    this.topics.restore(this.store.entities.all());
    for (const event of this.life.loseAll()) this.queue.push({ kind: "world", event });
    this.assume(this.options);
  }
}
