import type { Clock } from "../../../ports/clock.ts";
import type { PseudoRandom } from "../../../ports/random.ts";
import { TinyStore } from "../../../testing/tiny-store.ts";
import { ControlError } from "../../control-error.ts";
import {
  type Change,
  type ControlStore,
  firstRevision,
  type KeyValue,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
  type Watch,
  type WatchEvents,
  type WatchRequest,
} from "../../control-store.ts";
import { LEASE_DRIFT } from "../../lease.ts";
import { markLost } from "../../node-changes.ts";
import { nodeKey } from "../../record-keys.ts";
import type { NodeRecord, Seen } from "../../records.ts";
import type {
  AsleepSlice,
  MigrationProgress,
  RenewalAnswer,
  RenewalRequest,
  ShardProblem,
} from "../../remote/renewal.ts";
import type { RenewalPort } from "../membership.ts";

/** What may go wrong on the way to the apiservers and back. */
export interface Faults {
  /** Nothing comes through. */
  cut: boolean;
  /** Share of the messages, either way, that are lost. */
  loss: number;
  /** Longest way of a message, in ms. */
  delayMs: number;
}

interface Entry {
  readonly boot: string;
  readonly leaseMs: number;
  mayActUntil: number;
  heldUntil: number;
  declaring: boolean;
}

const TIMEOUT_MS = 400;
const MARGIN_MS = 10;
/** Quorum rounds, and what leads to a decision. */
const ROUND_MS = 5;

/**
 * A control plane for simulations: a store, a leader that counts leases as the apiservers' LeaseTable does,
 * and a network in between that loses and delays.
 */
export class SimControl {
  readonly tiny = new TinyStore();
  readonly faults: Faults = { cut: false, loss: 0, delayMs: 3 };
  /** Told right before a node is declared lost, when nothing of it may act any more. */
  onDeclare: ((node: string, boot: string) => void) | undefined;
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly entries = new Map<string, Entry>();
  private readonly watches = new Set<SimWatch>();
  private readonly leaderHandlers: (() => void)[] = [];
  private isStopped = false;

  constructor({ clock, random }: { clock: Clock; random: PseudoRandom }) {
    this.clock = clock;
    this.random = random;
    this.tiny.revision = firstRevision(1);
    this.tiny.onChanges = (changes) => this.changed(changes);
    this.checkLeases();
  }

  /** As a node has it, over the network. */
  readonly store: ControlStore & RenewalPort = {
    leader: () => undefined,
    range: (request) => this.ask(() => this.range(request)),
    txn: (request) => this.ask(() => this.txn(request)),
    watch: (request, events) => this.watch(request, events),
    renew: (request) => this.renew(request),
    onLeader: (handler) => this.leaderHandlers.push(handler),
  };

  /** Whom a renewal was asked for; by the node's own name, which the link's certificate says in earnest. */
  node = "gs-1";
  /** As the last renewal said them. */
  problems: readonly ShardProblem[] | undefined;
  asleep: AsleepSlice | undefined;
  migrations: readonly MigrationProgress[] | undefined;
  /** Renewals that came here. */
  renewals = 0;

  record(node = this.node): Seen<NodeRecord> {
    return this.tiny.seen("node", nodeKey(node));
  }

  mayActUntil(node = this.node): number | undefined {
    return this.entries.get(node)?.mayActUntil;
  }

  /** Another leader: it knows of no renewal. Nodes hear of it when they are `told`. */
  elect(told = false): void {
    const now = this.clock.now();
    this.tiny.term += 1;
    this.tiny.leases.clear();
    const holders = [...this.entries];
    this.entries.clear();
    for (const [node, { boot, leaseMs }] of holders) this.add(node, boot, leaseMs, now);
    if (told) for (const handler of this.leaderHandlers) handler();
  }

  /** From a backup, as a new generation. */
  restore(backup: ReadonlyMap<string, KeyValue>): void {
    this.tiny.restore(backup);
    this.entries.clear();
    for (const watch of [...this.watches]) watch.compacted(this.tiny.revision);
  }

  /** Every watch ends, as with an apiserver that forgot what is behind it. */
  compact(): void {
    for (const watch of [...this.watches]) watch.compacted(this.tiny.revision);
  }

  stop(): void {
    this.isStopped = true;
  }

  private checkLeases(): void {
    this.clock.setTimer(10, () => {
      if (this.isStopped) return;
      const now = this.clock.now();
      for (const [node, entry] of this.entries)
        if (now >= entry.mayActUntil && !entry.declaring) this.declare(node, entry);
      for (const [node, { heldUntil }] of this.entries)
        if (now >= heldUntil) this.tiny.leases.delete(node);
      this.checkLeases();
    });
  }

  private declare(node: string, entry: Entry): void {
    entry.declaring = true;
    this.tiny.leases.delete(node);
    this.onDeclare?.(node, entry.boot);
    const { term } = this.tiny;
    this.clock.setTimer(ROUND_MS, () => {
      const before = this.record(node);
      const proposal = markLost(node, before, term);
      const decided =
        before.record?.boot === entry.boot && proposal.ok && this.tiny.txn(proposal.txn).succeeded;
      if (!decided) entry.declaring = false;
    });
  }

  private changed(changes: readonly Change[]): void {
    for (const change of changes) this.table(change);
    for (const watch of [...this.watches]) watch.changed(this.tiny.revision, changes);
  }

  private table(change: Change): void {
    const node = (change.type === "put" ? change.item.key : change.key).slice(nodeKey("").length);
    const { record } = this.record(node);
    if (record === undefined || record.state === "lost" || record.state === "stopped") {
      this.entries.delete(node);
      this.tiny.leases.delete(node);
    } else if (this.entries.get(node)?.boot !== record.boot) {
      const { boot, leaseMs } = record;
      const before = this.entries.get(node)?.mayActUntil ?? 0;
      const entry = this.add(node, boot, leaseMs, this.clock.now());
      entry.mayActUntil = Math.max(entry.mayActUntil, before);
    }
  }

  private add(node: string, boot: string, leaseMs: number, from: number): Entry {
    const entry = {
      boot,
      leaseMs,
      mayActUntil: endOf(from, leaseMs),
      heldUntil: Number.NEGATIVE_INFINITY,
      declaring: false,
    };
    this.entries.set(node, entry);
    return entry;
  }

  private async renew({
    boot,
    number,
    problems,
    migrations,
    asleep,
  }: RenewalRequest): Promise<RenewalAnswer> {
    this.problems = problems;
    this.migrations = migrations;
    this.asleep = asleep;
    this.renewals += 1;
    const received = await this.ask(() => ({
      refusal: this.refusal(boot),
      at: this.clock.now(),
      term: this.tiny.term,
    }));
    if (received.refusal !== undefined) return received.refusal;
    // The way back of the first question and the way there of the second are the leader's quorum round.
    return this.ask(() => {
      const refusal = this.refusal(boot);
      const entry = this.entries.get(this.node);
      if (refusal !== undefined || entry === undefined)
        return refusal ?? { ok: false, code: "unknown-node" };
      if (received.term !== this.tiny.term) return { ok: false, code: "not-leader" };
      entry.mayActUntil = Math.max(entry.mayActUntil, endOf(received.at, entry.leaseMs));
      entry.heldUntil = received.at + entry.leaseMs * (1 - LEASE_DRIFT);
      this.tiny.leases.add(this.node);
      return { ok: true, number, leaseMs: entry.leaseMs };
    });
  }

  private refusal(boot: string): RenewalAnswer | undefined {
    const entry = this.entries.get(this.node);
    if (entry === undefined || entry.boot !== boot) return { ok: false, code: "unknown-node" };
    return entry.declaring ? { ok: false, code: "lost" } : undefined;
  }

  /** There and back: either way may be lost. */
  private ask<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(TIMEOUT_MS, () =>
        reject(new ControlError("timeout", "no answer in time")),
      );
      this.carry(() => {
        let answer: () => void;
        try {
          const result = work();
          answer = () => resolve(result);
        } catch (error) {
          answer = () => reject(error);
        }
        this.carry(() => {
          timer.cancel();
          answer();
        });
      });
    });
  }

  private carry(deliver: () => void): void {
    const isLost = () => this.faults.cut || this.random.float() < this.faults.loss;
    if (isLost()) return;
    this.clock.setTimer(this.random.float() * this.faults.delayMs, () => {
      // A cut takes what is under way, too.
      if (!this.faults.cut) deliver();
    });
  }

  private range(request: RangeRequest): RangeResult {
    const { revision } = this.tiny;
    const keys = "key" in request ? [request.key] : this.tiny.keys(request.prefix);
    return { revision, items: keys.flatMap((key) => this.tiny.get(key) ?? []), more: false };
  }

  private txn(request: TxnRequest): TxnResult {
    for (const node of request.leases ?? [])
      if (!this.tiny.leases.has(node)) throw new ControlError("no-lease", `${node} has no lease`);
    return this.tiny.txn(request);
  }

  private watch(request: WatchRequest, events: WatchEvents): Watch {
    const key = "key" in request ? request.key : request.prefix;
    const watch = new SimWatch(key, request.after ?? this.tiny.revision, events, (deliver) => {
      // Watches are long polls: what is lost on the way comes with the next answer.
      this.clock.setTimer(this.random.float() * this.faults.delayMs, () => {
        if (!this.faults.cut) deliver();
        else this.clock.setTimer(TIMEOUT_MS, () => watch.again());
      });
    });
    this.watches.add(watch);
    const item = this.tiny.get(key);
    if (item !== undefined) watch.changed(this.tiny.revision, [{ type: "put", item }]);
    return {
      close: () => {
        watch.close();
        this.watches.delete(watch);
      },
    };
  }
}

class SimWatch {
  private readonly key: string;
  private readonly events: WatchEvents;
  private readonly carry: (deliver: () => void) => void;
  private after: number;
  private latest: { revision: number; change: Change } | undefined;
  private ended: number | undefined;
  private closed = false;

  constructor(
    key: string,
    after: number,
    events: WatchEvents,
    carry: (deliver: () => void) => void,
  ) {
    this.key = key;
    this.after = after;
    this.events = events;
    this.carry = carry;
  }

  changed(revision: number, changes: readonly Change[]): void {
    const change = changes.find(
      (one) => (one.type === "put" ? one.item.key : one.key) === this.key,
    );
    if (change === undefined) return;
    this.latest = { revision, change };
    this.again();
  }

  compacted(revision: number): void {
    this.ended = revision;
    this.again();
  }

  again(): void {
    this.carry(() => this.deliver());
  }

  close(): void {
    this.closed = true;
  }

  private deliver(): void {
    if (this.closed) return;
    if (this.ended !== undefined) {
      this.closed = true;
      this.events.compacted({ revision: this.ended });
      return;
    }
    const { latest } = this;
    this.latest = undefined;
    if (latest === undefined) return;
    const { change, revision } = latest;
    const modified = change.type === "put" ? change.item.modified : change.modified;
    if (modified <= this.after) return;
    this.after = revision;
    this.events.changed({ revision, changes: [change] });
  }
}

function endOf(from: number, leaseMs: number): number {
  return from + leaseMs * (1 + LEASE_DRIFT) + MARGIN_MS;
}
