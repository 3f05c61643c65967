import type {
  LogConsumer,
  LogEntry,
  Proposed,
  ReadIndex,
  ReplicatedLog,
} from "@atlasnet/apiserver/sim";
import type { Clock, LeaderInfo, PseudoRandom } from "@atlasnet/core";

export interface SimLogOptions {
  /** Who leads, whenever somebody does. */
  readonly node: string;
  /** Until an entry is committed, and until a read is answered, at most. */
  readonly delayMs: number;
}

export interface SimLogDependencies {
  readonly clock: Clock;
  readonly random: PseudoRandom;
  /** Sees what is committed, right before the store does. */
  onCommitted(entries: readonly LogEntry[]): void;
}

/**
 * What the apiservers' Raft group looks like from above: one log that is never lost, whose leader changes. What a
 * leader had proposed and not committed when it lost is gone, or is committed by the next one: nobody is told which.
 */
export class SimLog implements ReplicatedLog {
  readonly node: string;
  private readonly options: SimLogOptions;
  private readonly deps: SimLogDependencies;
  private consumer: LogConsumer | undefined;
  private term = 1;
  private leads = true;
  private committed = 0;
  private waiting: LogEntry[] = [];
  private running = false;

  constructor(options: SimLogOptions, dependencies: SimLogDependencies) {
    this.node = options.node;
    this.options = options;
    this.deps = dependencies;
  }

  propose(command: Uint8Array): Proposed {
    if (!this.leads) return { ok: false };
    const index = this.committed + this.waiting.length + 1;
    this.waiting.push({ index, term: this.term, command });
    this.run();
    return { ok: true, index, term: this.term };
  }

  readIndex(): Promise<ReadIndex> {
    const { term } = this;
    return new Promise((resolve) => {
      this.deps.clock.setTimer(this.delay(), () => {
        const isSure = this.leads && term === this.term;
        resolve(isSure ? { ok: true, index: this.committed } : { ok: false });
      });
    });
  }

  leader(): LeaderInfo | undefined {
    return this.leads ? { node: this.node, term: this.term } : undefined;
  }

  attach(consumer: LogConsumer): void {
    this.consumer = consumer;
  }

  /** The leader is gone; another one is there after `afterMs`. */
  elect(afterMs: number, changed: () => void): void {
    if (!this.leads) return;
    const { random, clock } = this.deps;
    this.leads = false;
    const survivors = random.int(0, this.waiting.length);
    this.waiting = this.waiting.slice(0, survivors);
    this.consumer?.leaderChanged();
    changed();
    clock.setTimer(afterMs, () => {
      this.term += 1;
      this.leads = true;
      const index = this.committed + this.waiting.length + 1;
      this.waiting.push({ index, term: this.term, command: undefined });
      this.consumer?.leaderChanged();
      changed();
      this.run();
    });
  }

  /** One commit at a time, of everything that came until it began. */
  private run(): void {
    if (this.running || this.waiting.length === 0) return;
    this.running = true;
    const { term } = this;
    this.deps.clock.setTimer(this.delay(), () => {
      this.running = false;
      if (this.leads && term === this.term) this.commit();
      if (this.leads) this.run();
    });
  }

  private commit(): void {
    const entries = this.waiting;
    this.waiting = [];
    this.committed = entries.at(-1)?.index ?? this.committed;
    this.deps.onCommitted(entries);
    this.consumer?.apply(entries);
  }

  private delay(): number {
    return this.deps.random.float() * this.options.delayMs;
  }
}
