import type { HostedShard } from "./hosted-shard.ts";
import type { TxnAnswer } from "./hosting-types.ts";
import type { HostingView } from "./hosting-view.ts";
import type { Outbox } from "./outbox.ts";
import { type Pauses, pauseOf, TXN_PAUSES } from "./pauses.ts";

/** Failures of shards, and the pauses after them. */
export class Retries {
  private readonly view: HostingView;
  private readonly outbox: Outbox;

  constructor({ view, outbox }: { view: HostingView; outbox: Outbox }) {
    this.view = view;
    this.outbox = outbox;
  }

  /** Neither a transaction nor another try has to wait. */
  mayTry({ retryAt, txnAt }: HostedShard): boolean {
    const { now } = this.outbox;
    return now >= retryAt && now >= txnAt;
  }

  txnFailed(entry: HostedShard, answer: TxnAnswer): void {
    entry.txnFailures += 1;
    entry.txnAt = this.outbox.now + pauseOf(TXN_PAUSES, entry.txnFailures);
    if (answer.type !== "failed") return;
    this.outbox.report("warn", `The control plane did not take a change: ${answer.problem}`, entry);
  }

  failed(entry: HostedShard, pauses: Pauses, problem: string): void {
    entry.failures += 1;
    entry.retryAt = this.outbox.now + pauseOf(pauses, entry.failures);
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
