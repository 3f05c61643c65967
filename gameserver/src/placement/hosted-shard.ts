import type { Ownership } from "../durability/plan-run.ts";

/**
 * Where a shard is on its way into this node and out of it:
 *
 *     rest → preparing → claiming → claimed → opening → open ⇄ renewing
 *       ↑                   └──────────┴─────────┴──→ closing → releasing → rest
 *       └→ arriving → open
 */
export type Phase =
  | "rest"
  /** Its module is fetched. */
  | "preparing"
  /** A claim or reclaim is under way. */
  | "claiming"
  /** Owned; it waits for its turn to be opened. */
  | "claimed"
  | "opening"
  | "open"
  /** It runs, and a reclaim is under way. */
  | "renewing"
  | "closing"
  | "releasing"
  /** A replica of it is here, which may take it over: it is neither claimed nor opened meanwhile, whoever owns it. */
  | "arriving";

/** How many shards are in each phase. */
export class PhaseCounts {
  private readonly counts = new Map<Phase, number>();

  of(phase: Phase): number {
    return this.counts.get(phase) ?? 0;
  }

  add(phase: Phase, by: 1 | -1): void {
    this.counts.set(phase, this.of(phase) + by);
  }
}

/** A shard that is wanted here, owned here, or was a moment ago. */
export class HostedShard {
  readonly shard: string;
  readonly world: string;
  private readonly counts: PhaseCounts;
  private now: Phase = "rest";
  /** Of the effect that is under way. */
  attempt = 0;
  /** From `claimed` on: how it is owned. */
  ownership: Ownership | undefined;
  /** The claim that was proposed last: it may have been applied without an answer. */
  proposed: Omit<Ownership, "epoch"> | undefined;
  /**
   * The newest revision of the owner's key that this node's own transactions are known to have made. A view
   * below it is behind.
   */
  floor = 0;
  /** The highest epoch at which it was opened: never again at that one. */
  usedEpoch = 0;
  /** Turns, without a gap, in which nobody but this node owned it. */
  ownTurns: { readonly since: number; readonly last: number } | undefined;
  /** The world's record as it was opened, as far as that matters to what runs. */
  runsAs: string | undefined;
  /** The revision of the world's record that it was adopted as. A view below it is behind. */
  worldFloor = 0;
  openedAt = 0;
  /** Why it closes or is released, for people. */
  reason = "";
  /** Closing: what comes then. */
  then: "release" | "rest" = "release";

  /** Transactions that failed in a row, and when the next one may be made. */
  txnFailures = 0;
  txnAt = 0;
  /** Preparing, opening or running that failed in a row, and when the next try may be made. */
  failures = 0;
  retryAt = 0;
  /** It could not be opened: until `retryAt`, this node does not keep it. */
  givenUp = false;
  /** Why it could not be prepared or opened the last time, or runs no more; for people. */
  problem: string | undefined;
  /** What the world and its placement were when it failed: another one is tried at once. */
  failedAt = "";

  /** It is counted from now on, until `forgotten`. */
  constructor(shard: string, world: string, counts: PhaseCounts) {
    this.shard = shard;
    this.world = world;
    this.counts = counts;
    counts.add(this.now, 1);
  }

  get phase(): Phase {
    return this.now;
  }

  set phase(next: Phase) {
    this.counts.add(this.now, -1);
    this.now = next;
    this.counts.add(next, 1);
  }

  /** It is nothing to this node any more. */
  forgotten(): void {
    this.counts.add(this.now, -1);
  }

  /** Takes an ownership that the control plane has. */
  owns(ownership: Ownership): void {
    const { turn: last, lastTurn, sinceTurn } = ownership;
    const before = typeof lastTurn === "number" ? lastTurn : last;
    this.ownTurns = { since: sinceTurn ?? before, last };
    this.ownership = ownership;
    this.floor = ownership.epoch;
  }

  /** What a turn after `lastTurn`, which was this node's, says of the turns before. */
  goesOn(lastTurn: number): Pick<Ownership, "lastTurn" | "sinceTurn"> {
    const { ownTurns } = this;
    const isKnown = ownTurns?.last === lastTurn && ownTurns.since < lastTurn;
    return isKnown ? { lastTurn, sinceTurn: ownTurns.since } : { lastTurn };
  }

  /** Everything that a registration brought is gone with it. */
  reset(): void {
    this.phase = "rest";
    this.attempt = 0;
    this.ownership = undefined;
    this.proposed = undefined;
    this.floor = 0;
    this.runsAs = undefined;
    this.worldFloor = 0;
    this.txnFailures = 0;
    this.txnAt = 0;
  }
}
