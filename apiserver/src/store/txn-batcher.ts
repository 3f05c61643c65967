import { encodeCommand, type TxnCommand } from "./commands.ts";
import type { ReplicatedLog } from "./replicated-log.ts";
import type { TxnOutcome } from "./request-memory.ts";

/** A batch is proposed once it has so many bytes or transactions, or nothing else waits. */
const BATCH_BYTES = 512 * 1024;
const BATCH_TXNS = 512;
/** Batches that are not decided. More would be smaller, and not sooner. */
const MAX_BATCHES = 4;
/** Bytes around a compare or an operation in a command, roughly. */
const PART_BYTES = 48;

export interface Batched {
  readonly txn: TxnCommand;
  /** Nobody waits for it any more. */
  readonly settled: boolean;
  decided(outcome: TxnOutcome): void;
  /** It was not taken in, or is gone from the log for good: proposing it again applies it once. */
  lost(): void;
  /** A checkpoint took the place of the log here: it may have been applied or not. */
  unknown(): void;
}

/** Puts many transactions into few proposals: while some are on the way, those that come wait together. */
export class TxnBatcher {
  private readonly log: ReplicatedLog;
  private queue: Batched[] = [];
  /** By the index of the log. */
  private readonly proposed = new Map<number, { term: number; batch: readonly Batched[] }>();
  private scheduled = false;

  constructor({ log }: { log: ReplicatedLog }) {
    this.log = log;
  }

  get figures(): { readonly waiting: number; readonly batches: number } {
    return { waiting: this.queue.length, batches: this.proposed.size };
  }

  add(txn: Batched): void {
    this.queue.push(txn);
    if (this.scheduled) return;
    this.scheduled = true;
    // What comes within the same turn goes together.
    queueMicrotask(() => {
      this.scheduled = false;
      this.propose();
    });
  }

  /** The entry at `index` was applied. */
  applied(index: number, term: number, outcomes: readonly TxnOutcome[]): void {
    const entry = this.proposed.get(index);
    if (entry === undefined) return;
    this.proposed.delete(index);
    for (const [at, txn] of entry.batch.entries()) {
      const outcome = outcomes[at];
      if (entry.term !== term || outcome === undefined) txn.lost();
      else txn.decided(outcome);
    }
    this.propose();
  }

  /** The state has jumped to `index`. */
  jumped(index: number): void {
    for (const [at, { batch }] of [...this.proposed]) {
      if (at > index) continue;
      this.proposed.delete(at);
      for (const txn of batch) txn.unknown();
    }
    this.propose();
  }

  /** This node does not lead any more: what was not proposed goes elsewhere. */
  release(): void {
    for (const txn of this.queue.splice(0)) txn.lost();
  }

  private propose(): void {
    while (this.queue.length > 0 && this.proposed.size < MAX_BATCHES) {
      const batch = this.take();
      if (batch.length === 0) continue;
      const command = encodeCommand({ type: "txns", txns: batch.map(({ txn }) => txn) });
      const proposed = this.log.propose(command);
      if (!proposed.ok) {
        for (const txn of batch) txn.lost();
        this.release();
        return;
      }
      this.proposed.set(proposed.index, { term: proposed.term, batch });
    }
  }

  private take(): Batched[] {
    let bytes = 0;
    let count = 0;
    let end = 0;
    while (end < this.queue.length && bytes < BATCH_BYTES && count < BATCH_TXNS) {
      const next = this.queue[end];
      end += 1;
      if (next === undefined || next.settled) continue;
      bytes += txnBytes(next.txn);
      count += 1;
    }
    return this.queue.splice(0, end).filter((txn) => !txn.settled);
  }
}

function txnBytes({ compare, then, otherwise = [] }: TxnCommand): number {
  let bytes = 0;
  for (const part of [...compare, ...then, ...otherwise]) {
    bytes += PART_BYTES;
    if ("key" in part) bytes += part.key.length;
    if ("value" in part) bytes += part.value.length;
    if ("equals" in part) bytes += part.equals.length;
  }
  return bytes;
}
