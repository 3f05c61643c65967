import type { MigrationReason, WantReason } from "@atlasnet/core";
import { planBalance } from "./balance.ts";
import { type Context, type Decision, decide } from "./decisions.ts";
import type { NodeEntry, ShardEntry } from "./entries.ts";
import {
  abandonTxn,
  abortTxn,
  assumptionsOf,
  type Intent,
  migrateTxn,
  mirrorTxn,
  type Proposed,
  transactionsOf,
} from "./intents.ts";
import { type Leases, NO_LEASES } from "./leases.ts";
import { LostNodes } from "./lost-nodes.ts";
import type { PlacementSettings } from "./settings.ts";
import { ShardTimers } from "./timers.ts";
import type { ClusterView } from "./view.ts";

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
  private readonly name: string;
  private readonly timers = new ShardTimers();
  private readonly lost: LostNodes;
  /** Shards that no node can take, until there is room somewhere. */
  private readonly blocked = new Set<ShardEntry>();
  /** Shards without a mirror that they should have, until there is room for one. */
  private readonly unmirrored = new Set<ShardEntry>();
  private blockedVersion = -1;
  private blockedAt = Number.NEGATIVE_INFINITY;
  /** Shards that wait for others to have moved. */
  private readonly held = new Set<ShardEntry>();
  private heldMoved = 0;
  private sequence = 0;
  private reign = 0;
  /** The shards that are still to be looked at since this reign began. */
  private sweep: Iterator<ShardEntry> | undefined = undefined;
  private term = 0;
  private wallTime = 0;
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
    this.name = name;
    this.lost = new LostNodes(view, leases);
  }

  get blockedShards(): number {
    return this.blocked.size;
  }

  /** Shards that live without a mirror that they should have, because no node can be one. */
  get unmirroredShards(): number {
    return this.unmirrored.size;
  }

  /**
   * Leads from now on, in this term. What was proposed before is not known any more, and every shard is
   * looked at.
   */
  lead(term: number, now: number): void {
    this.resign(now);
    this.term = term;
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
    this.blocked.clear();
    this.unmirrored.clear();
    this.held.clear();
  }

  /**
   * Losses among its intents are to be proposed at once: no renewal of those nodes is answered any more.
   * `wallTime`: ms since 1970, for what people read in records.
   */
  step(now: number, wallTime = now): Step {
    this.wallTime = wallTime;
    const intents: Intent[] =
      now >= this.lost.nextAt ? this.lost.find(now, () => ++this.sequence) : [];
    this.wake(now);
    this.sweepOn();
    let visits = 0;
    const { view, settings } = this;
    const { maxVisits, maxIntents, maxPending } = settings;
    const context: Context = { view, settings, now };
    while (visits < maxVisits && intents.length < maxIntents && view.pending.size < maxPending) {
      const shard = view.dirty.take();
      if (shard === undefined) break;
      visits += LOOK_VISITS + this.look(context, shard, intents);
    }
    const isDone = view.dirty.size === 0 && this.sweep === undefined;
    if (isDone) this.rebalance(context, intents);
    return { intents, more: !isDone && view.pending.size < maxPending, wakeAt: this.wakeAt() };
  }

  /** The intents of a step as transactions of this term. */
  transactions(intents: readonly Intent[]): readonly Proposed[] {
    return transactionsOf(intents, this.term, this.settings.intentsPerTransaction);
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
    const { view, settings, blocked, unmirrored, held } = this;
    for (;;) {
      const shard = this.timers.take(now);
      if (shard === undefined) break;
      view.dirty.add(shard);
    }
    const { roomVersion, moved } = view.occupancy;
    const isDue = now >= this.blockedAt + settings.blockedMs && roomVersion !== this.blockedVersion;
    if (blocked.size + unmirrored.size > 0 && isDue) {
      this.blockedVersion = roomVersion;
      this.blockedAt = now;
      for (const shard of blocked) view.dirty.add(shard);
      for (const shard of unmirrored) view.dirty.add(shard);
    }
    if (held.size > 0 && moved !== this.heldMoved) {
      this.heldMoved = moved;
      for (const shard of held) view.dirty.add(shard);
    }
  }

  private wakeAt(): number {
    const { balance: balancing, blockedMs } = this.settings;
    const hasRoom = this.view.occupancy.roomVersion !== this.blockedVersion;
    const lacks = this.blocked.size + this.unmirrored.size > 0;
    return Math.min(
      this.lost.nextAt,
      this.timers.next ?? Number.POSITIVE_INFINITY,
      lacks && hasRoom ? this.blockedAt + blockedMs : Number.POSITIVE_INFINITY,
      balancing.enabled ? this.balancedAt + balancing.everyMs : Number.POSITIVE_INFINITY,
    );
  }

  private look(context: Context, shard: ShardEntry, intents: Intent[]): number {
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
    this.blocked.delete(shard);
    this.unmirrored.delete(shard);
    this.held.delete(shard);
    const decision = decide(context, shard);
    switch (decision.type) {
      case "rest":
        if (decision.again !== undefined) this.timers.set(shard, decision.again);
        return decision.visits ?? 0;
      case "blocked":
        this.blocked.add(shard);
        return decision.visits;
      case "unmirrored":
        this.unmirrored.add(shard);
        return decision.visits;
      case "mirror":
        this.passOver(shard, decision.avoid, now);
        this.mirror(shard, decision.node, intents, now);
        return decision.visits;
      case "abandon":
        this.abandon(shard, decision.problem, intents, now);
        return 0;
      case "hold":
        this.held.add(shard);
        return 0;
      case "forget":
        intents.push(this.forget(shard, now));
        return 0;
      case "want":
        return this.follow(decision, shard, intents, now);
      case "migrate":
        this.migrate(shard, decision.node, decision.reason, intents, now);
        return decision.visits;
      case "abort":
        this.abort(shard, decision.problem, intents, now);
        return 0;
    }
  }

  private follow(
    decision: Extract<Decision, { type: "want" }>,
    shard: ShardEntry,
    intents: Intent[],
    now: number,
  ): number {
    const { node, reason, avoid, visits } = decision;
    this.passOver(shard, avoid, now);
    intents.push(this.want(shard, node, reason, now));
    return visits;
  }

  private passOver(shard: ShardEntry, node: NodeEntry | undefined, now: number): void {
    if (node === undefined) return;
    shard.avoid = { node, boot: node.record?.boot };
    shard.avoidUntil = now + this.settings.avoidMs;
  }

  private want(
    shard: ShardEntry,
    node: NodeEntry | undefined,
    reason: WantReason,
    now: number,
  ): Intent {
    const assumed = assumptionsOf(shard, [node, shard.wanted]);
    const sequence = this.propose(shard, node, now);
    const { name } = shard;
    const alone = shard.failures > 0;
    return { type: "want", sequence, shard: name, node: node?.id, reason, assumed, alone };
  }

  private migrate(
    shard: ShardEntry,
    to: NodeEntry,
    reason: MigrationReason,
    intents: Intent[],
    now: number,
  ): void {
    const { generation } = this.view;
    const { migrationMs: deadlineMs } = this.settings;
    const sequence = ++this.sequence;
    const wish = { id: this.recordId(sequence), reason, started: this.wallTime, deadlineMs };
    const txn = migrateTxn(shard, to, generation, wish);
    // What was decided from says otherwise before long.
    if (txn === undefined) return this.timers.set(shard, now + this.settings.retryMs);
    const { name } = shard;
    const alone = shard.failures > 0;
    this.propose(shard, to, now, sequence);
    intents.push({ type: "migrate", sequence, shard: name, node: to.id, reason, txn, alone });
  }

  private abort(shard: ShardEntry, problem: string, intents: Intent[], now: number): void {
    const { name: by, wallTime: ended } = this;
    const txn = abortTxn(shard, { by, problem, ended });
    const { name, migration } = shard;
    if (txn === undefined || migration === undefined) return;
    const alone = shard.failures > 0;
    const sequence = this.propose(shard, shard.wanted, now);
    const { id } = migration.record;
    intents.push({ type: "abort", sequence, shard: name, migration: id, problem, txn, alone });
  }

  private mirror(shard: ShardEntry, to: NodeEntry, intents: Intent[], now: number): void {
    const sequence = ++this.sequence;
    const txn = mirrorTxn(shard, to, this.view.generation, this.recordId(sequence));
    // What was decided from says otherwise before long.
    if (txn === undefined) return this.timers.set(shard, now + this.settings.retryMs);
    const { name } = shard;
    const alone = shard.failures > 0;
    this.propose(shard, shard.wanted, now, sequence, to);
    intents.push({ type: "mirror", sequence, shard: name, node: to.id, txn, alone });
  }

  private abandon(shard: ShardEntry, problem: string, intents: Intent[], now: number): void {
    const { name, mirror } = shard;
    const txn = abandonTxn(shard);
    if (txn === undefined || mirror === undefined) return;
    const alone = shard.failures > 0;
    const sequence = this.propose(shard, shard.wanted, now, ++this.sequence, mirror.node);
    const { id } = mirror.node;
    intents.push({ type: "abandon", sequence, shard: name, mirror: id, problem, txn, alone });
  }

  /** Of the term and the number of the proposal: there is no other of the same. */
  private recordId(sequence: number): string {
    const hex = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
    return `${hex(this.term)}${hex(sequence)}`;
  }

  private forget(shard: ShardEntry, now: number): Intent {
    const assumed = assumptionsOf(shard, []);
    const sequence = this.propose(shard, undefined, now);
    return { type: "forget", sequence, shard: shard.name, assumed, alone: shard.failures > 0 };
  }

  private propose(
    shard: ShardEntry,
    node: NodeEntry | undefined,
    now: number,
    sequence = ++this.sequence,
    mirror?: NodeEntry,
  ): number {
    const until = now + this.settings.pendingMs;
    this.view.propose(shard, { sequence, node, mirror, until }, now);
    this.timers.set(shard, until);
    return sequence;
  }

  private rebalance(context: Context, intents: Intent[]): void {
    const { enabled, everyMs } = this.settings.balance;
    if (!enabled || context.now < this.balancedAt + everyMs) return;
    this.balancedAt = context.now;
    for (const { shard, to, isLive } of planBalance(context)) {
      shard.movedAt = context.now;
      if (isLive) this.migrate(shard, to, "balanced", intents, context.now);
      else intents.push(this.want(shard, to, "balanced", context.now));
    }
  }
}
