import { planBalance } from "./balance.ts";
import { type Context, decide } from "./decisions.ts";
import type { NodeEntry, ShardEntry } from "./entries.ts";
import { type Intent, type Proposed, transactionsOf } from "./intents.ts";
import { type Leases, NO_LEASES } from "./leases.ts";
import { LostNodes } from "./lost-nodes.ts";
import { type Batch, Proposer } from "./proposer.ts";
import type { PlacementSettings } from "./settings.ts";
import { ShardTimers } from "./timers.ts";
import type { ClusterView } from "./view.ts";
import { WaitingShards } from "./waiting-shards.ts";

export interface Step {
  readonly intents: readonly Intent[];
  /** There is more to do at once: call again, after others had their turn. */
  readonly more: boolean;
  /** When time alone may bring something to do, in ms of the clock; also after any change of the view. */
  readonly wakeAt: number;
}

/** How a transaction ended: `unknown` when no answer came. */
export type Outcome = "done" | "failed" | "unknown";

/** Visits that a look at a shard counts for, beside those of choosing a node. */
const LOOK_VISITS = 20;
/** Shards that are queued in one step after the leader changed. */
const SWEPT_AT_ONCE = 5000;
/** Highest power of two by which waiting after failures grows. */
const MAX_BACKOFF = 6;

/**
 * The reconcilers of the leader: looks at what changed, a bounded piece at a time, and says what should
 * be written. It never blocks for long, never counts on an answer, and proposes nothing about a shard while
 * something is pending for it.
 *
 * Life: `lead` when this process becomes leader, with a view that is complete; then `step` whenever there is
 * `more`, at `wakeAt`, and after changes; `settled` for every transaction.
 */
export class PlacementPlanner {
  readonly view: ClusterView;
  readonly settings: PlacementSettings;
  private readonly timers = new ShardTimers();
  private readonly lost: LostNodes;
  private readonly proposer: Proposer;
  private readonly waiting: WaitingShards;
  private reign = 0;
  /** The shards that are still to be looked at since this reign began. */
  private sweep: Iterator<ShardEntry> | undefined = undefined;
  private balancedAt = Number.NEGATIVE_INFINITY;

  /** Without leases no node is ever lost. `name`: of this apiserver, for people. */
  constructor(
    settings: PlacementSettings,
    view: ClusterView,
    leases: Leases = NO_LEASES,
    name = "placement",
  ) {
    this.settings = settings;
    this.view = view;
    this.lost = new LostNodes(view, leases);
    this.proposer = new Proposer(name, settings, view, this.timers);
    this.waiting = new WaitingShards(settings.blockedMs, view.occupancy);
  }

  /** Shards that no node can take. */
  get blockedShards(): number {
    return this.waiting.blockedShards;
  }

  /** Shards that live without a mirror that they should have, because no node can be one. */
  get unmirroredShards(): number {
    return this.waiting.unmirroredShards;
  }

  /**
   * Leads from now on, in this term. What was proposed before is not known any more, and every shard is
   * looked at.
   */
  lead(term: number, now: number): void {
    this.resign(now);
    this.proposer.lead(term);
    this.balancedAt = now;
    const { view } = this;
    view.dirty.start();
    this.reign = this.reign + 1;
    this.sweep = view.shards.values();
  }

  /** Leads no longer: nothing is kept for steps that do not come. Idempotent. */
  resign(now: number): void {
    const { view } = this;
    for (const shard of view.pending) view.propose(shard, undefined, now);
    this.sweep = undefined;
    this.lost.clear();
    view.dirty.stop();
    this.timers.clear();
    this.waiting.clear();
  }

  /**
   * Losses among its intents are to be proposed at once: no renewal of those nodes is answered any more.
   * `wallTime`: ms since 1970, for what people read in records.
   */
  step(now: number, wallTime = now): Step {
    const intents: Intent[] =
      now >= this.lost.nextAt ? this.lost.find(now, () => this.proposer.next()) : [];
    this.wake(now);
    this.sweepOn();
    let visits = 0;
    const { view, settings } = this;
    const { maxVisits, maxIntents, maxPending } = settings;
    const context: Context = { view, settings, now };
    const batch: Batch = { intents, now, wallTime };
    while (visits < maxVisits && intents.length < maxIntents && view.pending.size < maxPending) {
      const shard = view.dirty.take();
      if (shard === undefined) break;
      visits += LOOK_VISITS + this.look(context, shard, batch);
    }
    const isDone = view.dirty.size === 0 && this.sweep === undefined;
    if (isDone) this.rebalance(context, batch);
    return { intents, more: !isDone && view.pending.size < maxPending, wakeAt: this.wakeAt() };
  }

  /** The intents of a step as transactions of this term. */
  transactions(intents: readonly Intent[]): readonly Proposed[] {
    return transactionsOf(intents, this.proposer.term, this.settings.intentsPerTransaction);
  }

  settled({ intents }: Proposed, outcome: Outcome, now: number): void {
    for (const intent of intents) {
      if (intent.type === "lost") {
        this.lost.settled(intent, outcome, now);
        continue;
      }
      const shard = this.view.shards.get(intent.shard);
      if (shard?.pending?.sequence !== intent.sequence || outcome !== "failed") continue;
      // The watch shows why before long. Until then the same proposal would fail again.
      const wait = this.settings.retryMs * 2 ** Math.min(shard.failures, MAX_BACKOFF);
      shard.failures += 1;
      shard.pending.until = now + wait;
      this.timers.set(shard, shard.pending.until);
    }
  }

  /** Puts the next of all shards into the queue, after the leader changed. */
  private sweepOn(): void {
    for (let left = SWEPT_AT_ONCE; this.sweep !== undefined && left > 0; left--) {
      const next = this.sweep.next();
      if (next.done === true) this.sweep = undefined;
      else this.view.dirty.add(next.value);
    }
  }

  /** Puts into the queue what time or others have made worth another look. */
  private wake(now: number): void {
    const { dirty } = this.view;
    for (;;) {
      const shard = this.timers.take(now);
      if (shard === undefined) break;
      dirty.add(shard);
    }
    this.waiting.wake(dirty, now);
  }

  private wakeAt(): number {
    const { balance: balancing } = this.settings;
    return Math.min(
      this.lost.nextAt,
      this.timers.next ?? Number.POSITIVE_INFINITY,
      this.waiting.wakeAt,
      balancing.enabled ? this.balancedAt + balancing.everyMs : Number.POSITIVE_INFINITY,
    );
  }

  private look(context: Context, shard: ShardEntry, batch: Batch): number {
    const { now } = context;
    if (this.view.shards.get(shard.name) !== shard) return 0;
    if (shard.reign !== this.reign) {
      shard.reign = this.reign;
      shard.since = now;
      shard.timerAt = Number.POSITIVE_INFINITY;
      shard.failures = 0;
    }
    if (shard.pending !== undefined) {
      if (now < shard.pending.until) {
        this.timers.set(shard, shard.pending.until);
        return 0;
      }
      this.view.propose(shard, undefined, now);
    }
    this.waiting.delete(shard);
    const { proposer } = this;
    const decision = decide(context, shard);
    switch (decision.type) {
      case "rest":
        if (decision.again !== undefined) this.timers.set(shard, decision.again);
        return decision.visits ?? 0;
      case "blocked":
        this.waiting.add(shard, "room");
        return decision.visits;
      case "unmirrored":
        this.waiting.add(shard, "mirror");
        return decision.visits;
      case "mirror":
        this.passOver(shard, decision.avoid, now);
        proposer.mirror(shard, decision.node, batch);
        return decision.visits;
      case "dismiss":
        proposer.dismiss(shard, batch);
        return decision.visits;
      case "abandon":
        proposer.abandon(shard, decision.problem, batch);
        return 0;
      case "hold":
        this.waiting.add(shard, "turn");
        return 0;
      case "forget":
        proposer.forget(shard, batch);
        return 0;
      case "want":
        this.passOver(shard, decision.avoid, now);
        proposer.want(shard, decision.node, decision.reason, batch);
        return decision.visits;
      case "migrate":
        proposer.migrate(shard, decision.node, decision.reason, batch);
        return decision.visits;
      case "abort":
        proposer.abort(shard, decision.problem, batch);
        return 0;
    }
  }

  private passOver(shard: ShardEntry, node: NodeEntry | undefined, now: number): void {
    if (node === undefined) return;
    shard.avoid = { node, boot: node.record?.boot };
    shard.avoidUntil = now + this.settings.avoidMs;
  }

  private rebalance(context: Context, batch: Batch): void {
    const { enabled, everyMs } = this.settings.balance;
    if (!enabled || context.now < this.balancedAt + everyMs) return;
    this.balancedAt = context.now;
    for (const { shard, to, isLive } of planBalance(context)) {
      shard.movedAt = context.now;
      if (isLive) this.proposer.migrate(shard, to, "balanced", batch);
      else this.proposer.want(shard, to, "balanced", batch);
    }
  }
}
