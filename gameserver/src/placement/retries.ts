import type { HostedShard } from "./hosted-shard.ts";
import type { TxnAnswer } from "./hosting-types.ts";
import type { HostingView } from "./hosting-view.ts";
import type { Outbox } from "./outbox.ts";
import { type Pauses, pauseOf, TXN_PAUSES } from "./pauses.ts";

/** Failures of shards, and the pauses after them. */
export class Retries {
  private readonly view: HostingView;
  private readonly outbox: Outbox;
  /** Shards with a pause that may not be over. */
  private readonly pausing = new Set<HostedShard>();

  constructor({ view, outbox }: { view: HostingView; outbox: Outbox }) {
    this.view = view;
    this.outbox = outbox;
  }

  /** When the next pause is over of a shard that rests, in ms; Infinity: none. */
  get nextAt(): number {
    const { now } = this.outbox;
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.pausing) {
      const { phase, txnAt, retryAt } = entry;
      if (txnAt <= now && retryAt <= now) this.pausing.delete(entry);
      else if (phase === "rest")
        for (const at of [txnAt, retryAt]) if (at > now) next = Math.min(next, at);
    }
    return next;
  }

  /** Shards of which a pause is over that was not yet at `before`, when the event before this one came, in ms. */
  over(before: number): readonly HostedShard[] {
    const { now } = this.outbox;
    const isOver = (at: number) => before < at && at <= now;
    return [...this.pausing].filter(({ txnAt, retryAt }) => isOver(txnAt) || isOver(retryAt));
  }

  forgotten(entry: HostedShard): void {
    this.pausing.delete(entry);
  }

  /** Neither a transaction nor another try has to wait. */
  mayTry({ retryAt, txnAt }: HostedShard): boolean {
    const { now } = this.outbox;
    return now >= retryAt && now >= txnAt;
  }

  txnFailed(entry: HostedShard, answer: TxnAnswer): void {
    entry.txnFailures += 1;
    entry.txnAt = this.outbox.now + pauseOf(TXN_PAUSES, entry.txnFailures);
    this.pausing.add(entry);
    if (answer.type !== "failed") return;
    this.outbox.report("warn", `The control plane did not take a change: ${answer.problem}`, entry);
  }

  failed(entry: HostedShard, pauses: Pauses, problem: string): void {
    entry.failures += 1;
    entry.retryAt = this.outbox.now + pauseOf(pauses, entry.failures);
    this.pausing.add(entry);
    entry.reason = problem;
    entry.problem = problem;
    entry.failedAt = this.view.signature(entry);
  }

  /** What failed as something else than it is now, is tried at once. */
  forgiveChanged(entry: HostedShard): void {
    const signature = this.view.signature(entry);
    if (entry.failedAt === signature) return;
    entry.failures = 0;
    entry.retryAt = 0;
    entry.givenUp = false;
    entry.problem = undefined;
    entry.failedAt = signature;
  }
}
