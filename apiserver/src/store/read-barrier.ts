import type { Clock } from "@atlasnet/core";
import type { ReplicatedLog } from "./replicated-log.ts";

/** Pause before a read index is asked for again after a refusal. */
const RETRY_PAUSE_MS = 25;

interface Waiter {
  readonly settled: boolean;
  resolve(): void;
}

/**
 * Waits until this replica has applied everything that was committed when it was asked. Those who ask
 * while a round runs share the next one: a round helps only those who asked before it began.
 */
export class ReadBarrier {
  private readonly log: ReplicatedLog;
  private readonly clock: Clock;
  private applied = 0;
  private next: Waiter[] = [];
  private running = false;
  private stopped = false;
  /** Rounds that are answered, for a state that is not there yet. */
  private behind: { readonly index: number; readonly waiters: readonly Waiter[] }[] = [];

  constructor({ log, clock }: { log: ReplicatedLog; clock: Clock }) {
    this.log = log;
    this.clock = clock;
  }

  add(waiter: Waiter): void {
    this.next.push(waiter);
    this.begin();
  }

  /** The state has come to `index`. */
  reached(index: number): void {
    this.applied = index;
    if (this.behind.length === 0) return;
    const ready = this.behind.filter((round) => round.index <= index);
    this.behind = this.behind.filter((round) => round.index > index);
    for (const { waiters } of ready) for (const waiter of waiters) waiter.resolve();
  }

  stop(): void {
    this.stopped = true;
    this.next = [];
    this.behind = [];
  }

  private begin(): void {
    if (this.running || this.stopped) return;
    const waiters = this.next.filter((waiter) => !waiter.settled);
    this.next = [];
    if (waiters.length === 0) return;
    this.running = true;
    const refused = () => {
      this.next = [...waiters, ...this.next];
      this.clock.setTimer(RETRY_PAUSE_MS, () => this.end());
    };
    this.log.readIndex().then((read) => {
      if (!read.ok) {
        refused();
        return;
      }
      if (read.index <= this.applied) for (const waiter of waiters) waiter.resolve();
      else this.behind.push({ index: read.index, waiters });
      this.end();
    }, refused);
  }

  private end(): void {
    this.running = false;
    this.behind = this.behind.filter(({ waiters }) => waiters.some(({ settled }) => !settled));
    this.begin();
  }
}
