import { LEASE_DRIFT, type RenewalAnswer } from "@atlasnet/core";

/** A node as the applied state has it. */
export interface LeaseHolder {
  readonly node: string;
  /**
   * Of the process; a renewal of another one is refused. It is registered once: the transaction compares, so
   * that one that comes late does not revive what was declared lost. A lost node registers with another.
   */
  readonly boot: string;
  /** Fixed for a boot: a node that wants another length registers anew. */
  readonly leaseMs: number;
}

export interface Renewal {
  readonly node: string;
  readonly boot: string;
  readonly number: number;
}

export type { RenewalAnswer };

/** A renewal between its receipt and the end of the quorum round. */
export interface Received {
  readonly renewal: Renewal;
  readonly receivedAt: number;
  readonly leadership: number;
}

interface Entry {
  holder: LeaseHolder;
  /** On the leader's clock; before it the node may act, whatever we think of it. */
  mayActUntil: number;
  /** Of a renewal that was answered in this leadership; before it the node counts as holding its lease. */
  heldUntil: number;
  declaring: boolean;
}

/** What is added to each lease on the leader's side, for timers and scheduling that are not exact. */
const MARGIN_MS = 10;

/**
 * The leases as the leader counts them, on its monotonic clock. In memory only: a new leader knows of no
 * renewal, and so believes of every node that it renewed at the last moment.
 *
 * 1. A renewal is answered after a quorum round begun after its receipt, and after everything is applied
 *    that was committed before the round's end or stood before this term's first entry (a read barrier).
 *    So no transaction that declares the node lost can come to light behind the answer.
 * 2. A node's lease counts from the receipt of a renewal, which is later than its sending, and longer, by
 *    the drift of two clocks.
 * 3. From `declare` on nothing is answered to a node, until that is decided.
 * 4. A new leader declares no node lost before a full lease.
 */
export class LeaseTable {
  private readonly entries = new Map<string, Entry>();
  private leadership = 0;
  private leads = false;

  /**
   * This node leads now, and has applied its term's first entry. `electedAt`: a moment not before its
   * election. The holders are those of the applied state.
   */
  lead(electedAt: number, holders: Iterable<LeaseHolder>): void {
    this.leadership += 1;
    this.leads = true;
    this.entries.clear();
    for (const holder of holders) this.add(holder, electedAt);
  }

  /** This node does not lead any more: answers nothing, declares nothing. */
  follow(): void {
    this.leads = false;
    this.leadership += 1;
    this.entries.clear();
  }

  /**
   * The applied state has a node, anew or changed. A new boot has a lease from now on until it renews; the
   * one before it may act as long as it could.
   */
  registered(holder: LeaseHolder, now: number): void {
    const entry = this.entries.get(holder.node);
    if (!this.leads || entry?.holder.boot === holder.boot) return;
    const before = entry?.mayActUntil ?? 0;
    this.add(holder, now);
    const added = this.entries.get(holder.node);
    if (added !== undefined) added.mayActUntil = Math.max(before, added.mayActUntil);
  }

  /** The applied state has the node no more, or holds it for lost. */
  removed(node: string): void {
    this.entries.delete(node);
  }

  /** A renewal has come. Its quorum round begins after this call. */
  receive(renewal: Renewal, now: number): Received | { readonly refused: RenewalAnswer } {
    const refusal = this.refusal(renewal, this.leadership);
    return refusal === undefined
      ? { renewal, receivedAt: now, leadership: this.leadership }
      : { refused: refusal };
  }

  /** The round is over, and the read barrier passed. The answer may be sent at once, or not at all. */
  confirmed({ renewal, receivedAt, leadership }: Received): RenewalAnswer {
    const refusal = this.refusal(renewal, leadership);
    const entry = this.entries.get(renewal.node);
    if (refusal !== undefined || entry === undefined)
      return refusal ?? { ok: false, code: "unknown-node" };
    const { leaseMs } = entry.holder;
    entry.mayActUntil = Math.max(entry.mayActUntil, endOf(receivedAt, leaseMs));
    entry.heldUntil = Math.max(entry.heldUntil, receivedAt + leaseMs * (1 - LEASE_DRIFT));
    return { ok: true, number: renewal.number, leaseMs };
  }

  /** For transactions that name leases: the node has renewed under this leader, and is not being declared lost. */
  holds(node: string, now: number): boolean {
    const entry = this.entries.get(node);
    return this.leads && entry !== undefined && !entry.declaring && now < entry.heldUntil;
  }

  /** Nodes that cannot act any more, whatever they believe. */
  expired(now: number): string[] {
    const nodes: string[] = [];
    for (const [node, entry] of this.entries) if (now >= entry.mayActUntil) nodes.push(node);
    return nodes;
  }

  /** When the next lease ends for certain. */
  nextExpiry(): number | undefined {
    let next: number | undefined;
    for (const { mayActUntil, declaring } of this.entries.values())
      if (!declaring && mayActUntil < (next ?? Number.POSITIVE_INFINITY)) next = mayActUntil;
    return next;
  }

  /**
   * To be called right before a transaction is proposed that declares the node lost. False: its lease has
   * not ended for certain, or this node does not lead; then it must not be proposed. The transaction
   * compares the term and the node's boot.
   */
  declare(node: string, now: number): boolean {
    const entry = this.entries.get(node);
    if (!this.leads || entry === undefined || now < entry.mayActUntil) return false;
    entry.declaring = true;
    return true;
  }

  /** The transaction was decided and did not declare the node lost: it may renew again. */
  declined(node: string): void {
    const entry = this.entries.get(node);
    if (entry !== undefined) entry.declaring = false;
  }

  /** How the leases stand; `held` and `expired` are of `known`. */
  counts(now: number): { readonly known: number; readonly held: number; readonly expired: number } {
    let held = 0;
    let expired = 0;
    for (const { heldUntil, mayActUntil, declaring } of this.entries.values()) {
      if (!declaring && now < heldUntil) held += 1;
      if (now >= mayActUntil) expired += 1;
    }
    return { known: this.entries.size, held, expired };
  }

  /** The nodes that are counted. */
  nodes(): string[] {
    return [...this.entries.keys()];
  }

  private add(holder: LeaseHolder, from: number): void {
    this.entries.set(holder.node, {
      holder,
      mayActUntil: endOf(from, holder.leaseMs),
      heldUntil: Number.NEGATIVE_INFINITY,
      declaring: false,
    });
  }

  private refusal({ node, boot }: Renewal, leadership: number): RenewalAnswer | undefined {
    if (!this.leads || leadership !== this.leadership) return { ok: false, code: "not-leader" };
    const entry = this.entries.get(node);
    if (entry === undefined || entry.holder.boot !== boot)
      return { ok: false, code: "unknown-node" };
    return entry.declaring ? { ok: false, code: "lost" } : undefined;
  }
}

function endOf(from: number, leaseMs: number): number {
  return from + leaseMs * (1 + LEASE_DRIFT) + MARGIN_MS;
}
