import {
  type Change,
  type Clock,
  decodeRecord,
  generationOf,
  type KeyValue,
  type Logger,
  NODES,
  parseRecordKey,
  type ReadAll,
  type RenewalAnswer,
  type RenewalRequest,
} from "@atlasnet/core";
import type { Leases } from "../placement/leases.ts";
import { type LeaseHolder, LeaseTable } from "../store/lease-table.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { Leadership, Reign } from "./leadership.ts";
import { PrefixFollower } from "./prefix-follower.ts";

/** Answers renewals, on the apiserver that leads; elsewhere "not-leader". */
export interface Renewals {
  /**
   * Resolves after a quorum round that began after the call. The answer is to be sent at once, or not at
   * all. @throws ControlError as a read barrier does ("no-quorum", "timeout", "busy"): no answer to the node.
   */
  renew(node: string, request: RenewalRequest): Promise<RenewalAnswer>;
}

/** What a node says of itself with a renewal. */
export type Heard = Pick<RenewalRequest, "load" | "problems" | "migrations" | "asleep">;

export interface LeaseKeeperDependencies {
  readonly store: Pick<ReplicatedStore, "range" | "watch" | "readBarrier" | "revision">;
  readonly leadership: Pick<Leadership, "reign">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A renewal was answered. */
  readonly onHeard: (node: string, heard: Heard) => void;
}

/**
 * A node that a restore brought back and that did not register since is given for lost after this time, if its
 * lease is not longer. It may come back before with what it has on its disk.
 */
export const RESTORED_GRACE_MS = 60_000;
/** Of nodes that have yet to register after a restore: no process can renew with it. */
const NO_BOOT = "";
const NOT_LEADER: RenewalAnswer = { ok: false, code: "not-leader" };

/**
 * The table of leases with its surroundings: fed by a watch of the nodes' records, asked by nodes and by the
 * planner, silent unless this apiserver leads.
 *
 * 1. Every answer but "not-leader" comes after a read barrier that began after the renewal came, under the
 *    same leadership. So no deposed leader tells a node that it is unknown.
 * 2. After a restore no boot of before is known, whatever the restored records say.
 */
export class LeaseKeeper implements Renewals, Leases {
  private readonly dependencies: LeaseKeeperDependencies;
  private readonly table = new LeaseTable();
  private readonly nodes: PrefixFollower;
  private reign: Reign | undefined;
  /** The reign whose nodes the table has. */
  private filled: Reign | undefined;
  private generation = 0;
  /** Boots that restored records name, by node: changes to such a record do not revive them. */
  private readonly restored = new Map<string, string>();
  private readonly counts = { ok: 0, "not-leader": 0, "unknown-node": 0, lost: 0, failed: 0 };
  private declared = 0;

  constructor(dependencies: LeaseKeeperDependencies) {
    this.dependencies = dependencies;
    this.nodes = new PrefixFollower(
      NODES,
      {
        replaced: (read) => this.replaced(read),
        changed: (changes) => this.changed(changes),
      },
      dependencies,
    );
  }

  /** This apiserver leads, its term's first entry is applied. */
  lead(reign: Reign): void {
    this.follow();
    this.reign = reign;
    this.nodes.start();
  }

  follow(): void {
    this.reign = undefined;
    this.nodes.stop();
    this.table.follow();
    this.restored.clear();
  }

  async renew(
    node: string,
    { boot, number, load, problems, migrations, asleep }: RenewalRequest,
  ): Promise<RenewalAnswer> {
    const { store, onHeard } = this.dependencies;
    const renewal = { node, boot, number };
    let answer: RenewalAnswer;
    try {
      answer = await this.decide(renewal, () => store.readBarrier());
    } catch (error) {
      this.counts.failed += 1;
      throw error;
    }
    this.counts[answer.ok ? "ok" : answer.code] += 1;
    if (answer.ok) onHeard(node, { load, problems, migrations, asleep });
    return answer;
  }

  /** For transactions that name leases. */
  holds(node: string): boolean {
    return this.leads && this.table.holds(node, this.dependencies.clock.now());
  }

  expired(now: number): readonly string[] {
    return this.leads ? this.table.expired(now) : [];
  }

  nextExpiry(): number | undefined {
    return this.leads ? this.table.nextExpiry() : undefined;
  }

  declare(node: string, now: number): boolean {
    const declares = this.leads && this.table.declare(node, now);
    if (declares) this.declared += 1;
    return declares;
  }

  declined(node: string): void {
    this.table.declined(node);
  }

  /** Renewals by their answer since the start, losses proposed, and how the leases stand. */
  get figures() {
    const leases = this.table.counts(this.dependencies.clock.now());
    return { ...leases, declared: this.declared, renewals: this.counts };
  }

  /** The table is of this term, and knows the state that is applied here. */
  private get leads(): boolean {
    const { store, leadership } = this.dependencies;
    return (
      this.reign !== undefined &&
      leadership.reign === this.reign &&
      this.nodes.isCurrent &&
      generationOf(store.revision) === this.generation
    );
  }

  private async decide(
    renewal: { readonly node: string; readonly boot: string; readonly number: number },
    barrier: () => Promise<void>,
  ): Promise<RenewalAnswer> {
    const { clock } = this.dependencies;
    const { reign } = this;
    if (!this.leads) return NOT_LEADER;
    if (renewal.boot === NO_BOOT) return { ok: false, code: "unknown-node" };
    let received = this.table.receive(renewal, clock.now());
    await barrier();
    if (!this.leads || reign !== this.reign) return NOT_LEADER;
    if ("refused" in received) {
      // It may have been unknown because this replica was behind; now it is not.
      received = this.table.receive(renewal, clock.now());
      if ("refused" in received) return received.refused;
      await barrier();
      if (!this.leads || reign !== this.reign) return NOT_LEADER;
    }
    return this.table.confirmed(received);
  }

  private replaced({ revision, items }: ReadAll): void {
    const { reign } = this;
    if (reign === undefined) return;
    this.generation = generationOf(revision);
    const holders = items.flatMap((item) => this.holderOf(item) ?? []);
    if (this.filled !== reign) {
      this.filled = reign;
      this.table.lead(reign.electedAt, holders);
      return;
    }
    const now = this.dependencies.clock.now();
    const there = new Set(holders.map(({ node }) => node));
    for (const node of this.table.nodes()) if (!there.has(node)) this.table.removed(node);
    for (const holder of holders) this.table.registered(holder, now);
  }

  private changed(changes: readonly Change[]): void {
    const now = this.dependencies.clock.now();
    for (const change of changes) {
      const holder = change.type === "put" ? this.holderOf(change.item) : undefined;
      const key = parseRecordKey(change.type === "put" ? change.item.key : change.key);
      if (holder !== undefined) this.table.registered(holder, now);
      else if (key?.kind === "node") this.table.removed(key.node);
    }
  }

  /** Who may hold a lease by this record; undefined: nobody. */
  private holderOf({ key: text, value, modified }: KeyValue): LeaseHolder | undefined {
    const key = parseRecordKey(text);
    if (key?.kind !== "node") return undefined;
    const { node } = key;
    const decoded = decodeRecord("node", value);
    if (!decoded.ok) {
      const { problem } = decoded;
      this.dependencies.logger.warn("The record of a node cannot be read; it gets no lease.", {
        key: text,
        problem,
      });
      return undefined;
    }
    const { boot, leaseMs, state } = decoded.record;
    if (state === "lost" || state === "stopped") return undefined;
    if (generationOf(modified) < this.generation) this.restored.set(node, boot);
    if (this.restored.get(node) === boot)
      return { node, boot: NO_BOOT, leaseMs: Math.max(leaseMs, RESTORED_GRACE_MS) };
    return { node, boot, leaseMs };
  }
}
