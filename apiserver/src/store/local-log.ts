import type { Clock, LeaderInfo } from "@atlasnet/core";
import type { LogConsumer, Proposed, ReadIndex, ReplicatedLog } from "./replicated-log.ts";
import type { LogEntry } from "./state-machine.ts";

/** A group of one, in memory: for tests, and for whoever needs a store that nothing outlives. */
export class LocalLog implements ReplicatedLog {
  readonly node: string;
  private readonly clock: Clock;
  /** Until an entry is committed, and until a read is answered. */
  private readonly delayMs: () => number;
  private consumer: LogConsumer | undefined;
  private last = 0;
  private committed = 0;
  private waiting: LogEntry[] = [];
  private running = false;

  constructor(
    { node = "local", delayMs = () => 0 }: { node?: string; delayMs?: () => number },
    { clock }: { clock: Clock },
  ) {
    this.node = node;
    this.delayMs = delayMs;
    this.clock = clock;
  }

  propose(command: Uint8Array): Proposed {
    this.last += 1;
    this.waiting.push({ index: this.last, term: 1, command });
    this.run();
    return { ok: true, index: this.last, term: 1 };
  }

  readIndex(): Promise<ReadIndex> {
    return new Promise((resolve) => {
      this.clock.setTimer(this.delayMs(), () => resolve({ ok: true, index: this.committed }));
    });
  }

  leader(): LeaderInfo {
    return { node: this.node, term: 1 };
  }

  attach(consumer: LogConsumer): void {
    this.consumer = consumer;
  }

  /** One commit at a time, of everything that came until it began. */
  private run(): void {
    if (this.running || this.waiting.length === 0) return;
    this.running = true;
    this.clock.setTimer(this.delayMs(), () => {
      const entries = this.waiting;
      this.waiting = [];
      this.committed = entries.at(-1)?.index ?? this.committed;
      this.running = false;
      this.consumer?.apply(entries);
      this.run();
    });
  }
}
