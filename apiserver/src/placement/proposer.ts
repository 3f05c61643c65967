import type { MigrationReason, WantReason } from "@atlasnet/core";
import type { NodeEntry, ShardEntry } from "./entries.ts";
import {
  abandonTxn,
  abortTxn,
  assumptionsOf,
  dismissTxn,
  type Intent,
  migrateTxn,
  mirrorTxn,
} from "./intents.ts";
import type { PlacementSettings } from "./settings.ts";
import type { ShardTimers } from "./timers.ts";
import type { ClusterView } from "./view.ts";

/** The intents that a step gathers, and when it is. */
export interface Batch {
  readonly intents: Intent[];
  /** In ms of the clock. */
  readonly now: number;
  /** ms since 1970, for what people read in records. */
  readonly wallTime: number;
}

/**
 * Makes intents of what was decided about a shard. From then on the view counts the shard where it will be,
 * and a timer stands until which no answer is no answer. What cannot be proposed, because the view says
 * otherwise before long, is looked at again.
 */
export class Proposer {
  private readonly name: string;
  private readonly settings: PlacementSettings;
  private readonly view: ClusterView;
  private readonly timers: ShardTimers;
  private sequence = 0;
  private current = 0;

  /** `name`: of this apiserver, for people. */
  constructor(name: string, settings: PlacementSettings, view: ClusterView, timers: ShardTimers) {
    this.name = name;
    this.settings = settings;
    this.view = view;
    this.timers = timers;
  }

  /** What is proposed from now on is of this term. */
  lead(term: number): void {
    this.current = term;
  }

  get term(): number {
    return this.current;
  }

  /** A number that no other proposal of this process has. */
  next(): number {
    this.sequence += 1;
    return this.sequence;
  }

  want(
    shard: ShardEntry,
    node: NodeEntry | undefined,
    reason: WantReason,
    { intents, now }: Batch,
  ): void {
    const assumed = assumptionsOf(shard, [node, shard.wanted]);
    const sequence = this.propose(shard, node, now);
    const { name } = shard;
    const alone = shard.failures > 0;
    intents.push({ type: "want", sequence, shard: name, node: node?.id, reason, assumed, alone });
  }

  forget(shard: ShardEntry, { intents, now }: Batch): void {
    const assumed = assumptionsOf(shard, []);
    const sequence = this.propose(shard, undefined, now);
    const alone = shard.failures > 0;
    intents.push({ type: "forget", sequence, shard: shard.name, assumed, alone });
  }

  migrate(
    shard: ShardEntry,
    to: NodeEntry,
    reason: MigrationReason,
    { intents, now, wallTime }: Batch,
  ): void {
    const { generation } = this.view;
    const { migrationMs: deadlineMs } = this.settings;
    const sequence = this.next();
    const wish = { id: this.recordId(sequence), reason, started: wallTime, deadlineMs };
    const txn = migrateTxn(shard, to, generation, wish);
    // What was decided from says otherwise before long.
    if (txn === undefined) return this.timers.set(shard, now + this.settings.retryMs);
    const { name } = shard;
    const alone = shard.failures > 0;
    this.propose(shard, to, now, sequence);
    intents.push({ type: "migrate", sequence, shard: name, node: to.id, reason, txn, alone });
  }

  abort(shard: ShardEntry, problem: string, { intents, now, wallTime }: Batch): void {
    const txn = abortTxn(shard, { by: this.name, problem, ended: wallTime });
    const { name, migration } = shard;
    if (txn === undefined || migration === undefined) return;
    const alone = shard.failures > 0;
    const sequence = this.propose(shard, shard.wanted, now);
    const { id } = migration.record;
    intents.push({ type: "abort", sequence, shard: name, migration: id, problem, txn, alone });
  }

  mirror(shard: ShardEntry, to: NodeEntry, { intents, now }: Batch): void {
    const sequence = this.next();
    const txn = mirrorTxn(shard, to, this.view.generation, this.recordId(sequence));
    // What was decided from says otherwise before long.
    if (txn === undefined) return this.timers.set(shard, now + this.settings.retryMs);
    const { name } = shard;
    const alone = shard.failures > 0;
    this.propose(shard, shard.wanted, now, sequence, to);
    intents.push({ type: "mirror", sequence, shard: name, node: to.id, txn, alone });
  }

  abandon(shard: ShardEntry, problem: string, { intents, now }: Batch): void {
    const { name, mirror } = shard;
    const txn = abandonTxn(shard);
    if (txn === undefined || mirror === undefined) return;
    const alone = shard.failures > 0;
    const sequence = this.propose(shard, shard.wanted, now, this.next(), mirror.node);
    const { id } = mirror.node;
    intents.push({ type: "abandon", sequence, shard: name, mirror: id, problem, txn, alone });
  }

  dismiss(shard: ShardEntry, { intents, now }: Batch): void {
    const { name, mirror } = shard;
    const txn = dismissTxn(shard);
    if (txn === undefined || mirror === undefined) return;
    const alone = shard.failures > 0;
    const sequence = this.propose(shard, shard.wanted, now, this.next(), mirror.node);
    intents.push({ type: "dismiss", sequence, shard: name, mirror: mirror.node.id, txn, alone });
  }

  /** Of the term and the number of the proposal: there is no other of the same. */
  private recordId(sequence: number): string {
    const hex = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
    return `${hex(this.term)}${hex(sequence)}`;
  }

  private propose(
    shard: ShardEntry,
    node: NodeEntry | undefined,
    now: number,
    sequence = this.next(),
    mirror?: NodeEntry,
  ): number {
    const until = now + this.settings.pendingMs;
    this.view.propose(shard, { sequence, node, mirror, until }, now);
    this.timers.set(shard, until);
    return sequence;
  }
}
