import type { Revision } from "@atlasnet/core";
import { Blocks, type BlocksView } from "./blocks.ts";
import { MAX_REMEMBERED_DISTANCE, MAX_REMEMBERED_IDS } from "./limits.ts";
import { HashLanes, StateHash } from "./state-hash.ts";

/** What became of a transaction; "refused": the leader took it in without the lease it asked for. */
export type TxnOutcome =
  | { readonly code: "done"; readonly succeeded: boolean; readonly revision: Revision }
  | { readonly code: "quota" | "too-large" | "no-lease" };

export interface Remembered {
  readonly id: string;
  /** Of the log entry. */
  readonly index: number;
  readonly outcome: TxnOutcome;
}

/** The newest answers, and none from further back in the log; the same on every replica. */
export interface RememberedLimits {
  readonly count: number;
  readonly distance: number;
}
const DEFAULT_REMEMBERED_LIMITS: RememberedLimits = {
  count: MAX_REMEMBERED_IDS,
  distance: MAX_REMEMBERED_DISTANCE,
};

/**
 * The answers to transactions that came with an id, so that a retry gets the same one and changes nothing.
 * What is forgotten depends on the log alone.
 */
export class RequestMemory {
  private readonly byId = new Map<string, Remembered>();
  private readonly order = new Blocks<Remembered>();
  private readonly limits: RememberedLimits;
  private readonly sum = new StateHash();

  constructor(limits: RememberedLimits = DEFAULT_REMEMBERED_LIMITS) {
    this.limits = limits;
  }

  get hash(): string {
    return this.sum.toString();
  }

  get size(): number {
    return this.order.length;
  }

  find(id: string): TxnOutcome | undefined {
    return this.byId.get(id)?.outcome;
  }

  remember(entry: Remembered): void {
    this.byId.set(entry.id, entry);
    this.order.push(entry);
    this.sum.add(hashRemembered(entry));
    if (this.order.length > this.limits.count) this.shift();
  }

  /** The log has come to `index`. */
  forget(index: number): void {
    for (let oldest = this.order.at(0); oldest !== undefined; oldest = this.order.at(0)) {
      if (oldest.index >= index - this.limits.distance) return;
      this.shift();
    }
  }

  freeze(): BlocksView<Remembered> {
    return this.order.freeze();
  }

  private shift(): void {
    const entry = this.order.shift();
    if (entry === undefined) return;
    this.byId.delete(entry.id);
    this.sum.remove(hashRemembered(entry));
  }
}

function hashRemembered({ id, index, outcome }: Remembered): HashLanes {
  const lanes = new HashLanes().text(id).number(index).text(outcome.code);
  return outcome.code === "done"
    ? lanes.number(outcome.succeeded ? 1 : 0).number(outcome.revision)
    : lanes;
}
