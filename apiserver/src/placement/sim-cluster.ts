import {
  type Change,
  changeNodeState,
  cordonNode,
  createWorld,
  drainNode,
  encodeRecord,
  firstShard,
  isOwned,
  type ModuleSource,
  migrationKey,
  mirrorKey,
  moduleKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  type Proposal,
  type PseudoRandom,
  removeWorld,
  shardKey,
  updateWorld,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { TinyStore, worldRecord } from "@atlasnet/core/testing";
import { LeaseTable } from "../store/lease-table.ts";
import type { Intent, Proposed } from "./intents.ts";
import { PlacementPlanner } from "./planner.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";
import { SimGameservers, type SimNode } from "./sim-gameservers.ts";
import { ClusterView } from "./view.ts";

/** Time goes in steps of this many ms. */
export const SIM_STEP_MS = 100;
export interface SimFaults {
  /** Longest delay of proposals and of the watch, in ms. */
  readonly delayMs: number;
  /** Share of transactions that are not applied, and whose proposer hears nothing. */
  readonly lost: number;
  /** Share of transactions that are applied, and whose proposer hears nothing. */
  readonly unanswered: number;
}

export const NO_FAULTS: SimFaults = { delayMs: 0, lost: 0, unanswered: 0 };

/** A leader's planner, gameservers that claim and release, and a store, in simulated time. For tests. */
export class SimCluster {
  readonly store = new TinyStore();
  readonly view: ClusterView;
  readonly settings: PlacementSettings;
  readonly planner: PlacementPlanner;
  readonly leases = new LeaseTable();
  now = 0;
  private readonly gameservers: SimGameservers;
  /** Every intent ever, for checks. */
  readonly intents: {
    readonly at: number;
    readonly intent: Intent;
    readonly from: string | undefined;
  }[] = [];
  faults: SimFaults;
  private readonly random: PseudoRandom;
  private watched: { readonly at: number; readonly changes: readonly Change[] }[] = [];
  private proposals: { readonly at: number; readonly proposed: Proposed }[] = [];

  constructor(random: PseudoRandom, faults: SimFaults = NO_FAULTS, settings = DEFAULT_PLACEMENT) {
    this.random = random;
    this.faults = faults;
    this.settings = settings;
    this.view = new ClusterView(settings);
    this.planner = new PlacementPlanner(settings, this.view, this.leases);
    this.gameservers = new SimGameservers(this.store, (node, boot) => this.renew(node, boot));
    this.lead();
    this.store.onChanges = (changes) => {
      this.tellLeases(changes);
      this.deliverLater(changes);
    };
  }

  get nodes(): ReadonlyMap<string, SimNode> {
    return this.gameservers.nodes;
  }

  /** Mirrors that took over. */
  get promotions(): number {
    return this.gameservers.promotions;
  }

  addNode(id: string, record: Partial<NodeRecord> = {}): void {
    this.gameservers.start(id, record, this.now);
  }

  kill(id: string): void {
    this.gameservers.kill(id);
  }

  cordon(id: string, cordoned: boolean): void {
    this.run(cordonNode(id, this.store.seen("node", nodeKey(id)), this.store.generation, cordoned));
  }

  drain(id: string): void {
    this.run(drainNode(id, this.store.seen("node", nodeKey(id)), this.store.generation));
  }

  undrain(id: string): void {
    const node = this.nodes.get(id);
    if (node !== undefined)
      this.run(changeNodeState(id, this.store.seen("node", nodeKey(id)), node.boot, "ready"));
  }

  setWorld(name: string, record: Partial<WorldRecord> = {}): void {
    const before = this.store.seen("world", worldKey(name));
    const whole = worldRecord({ durability: "none", ...record });
    this.run(
      before.record === undefined
        ? createWorld(name, before, whole)
        : updateWorld(name, before, whole),
    );
  }

  setModule({ name, version, digest }: Extract<ModuleSource, { source: "store" }>): void {
    const value = encodeRecord("module", { digest, entry: "index.js", bytes: 1 });
    const key = moduleKey(name, version);
    this.run({ ok: true, txn: { compare: [], then: [{ type: "put", key, value }] } });
  }

  removeWorld(name: string): void {
    this.run(removeWorld(name, this.store.seen("world", worldKey(name))));
  }

  /** Another apiserver leads: what was under way may yet be applied, and fails by its term. */
  changeLeader(): void {
    this.store.term += 1;
    this.lead();
  }

  private lead(): void {
    const { store } = this;
    const holders = store.keys("nodes/").flatMap((key) => {
      const { record } = store.seen("node", key);
      if (record === undefined || record.state === "lost" || record.state === "stopped") return [];
      return [{ node: key.slice("nodes/".length), boot: record.boot, leaseMs: record.leaseMs }];
    });
    this.leases.lead(this.now, holders);
    this.planner.lead(store.term, this.now);
  }

  private tellLeases(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = change.type === "put" ? change.item.key : change.key;
      if (!key.startsWith("nodes/")) continue;
      const node = key.slice("nodes/".length);
      const { record } = this.store.seen("node", key);
      if (record === undefined || record.state === "lost" || record.state === "stopped")
        this.leases.removed(node);
      else this.leases.registered({ node, boot: record.boot, leaseMs: record.leaseMs }, this.now);
    }
  }

  private renew(node: string, boot: string): boolean {
    const received = this.leases.receive({ node, boot, number: 1 }, this.now);
    return "renewal" in received && this.leases.confirmed(received).ok;
  }

  /** Runs for so many ms. Calls back after every step of time. */
  advance(ms: number, afterStep: () => void = () => {}): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += SIM_STEP_MS;
      this.gameservers.runLeases(this.now);
      this.runProposals();
      this.gameservers.run(this.now);
      this.runWatch();
      this.runPlanner();
      this.gameservers.checkActors();
      afterStep();
    }
  }

  /** Runs until nothing was asked for so long; throws when that takes more than `mostMs`. */
  settle(quietMs = 60_000, mostMs = 1_200_000): void {
    const end = this.now + mostMs;
    let quietSince = this.now;
    let seen = this.intents.length;
    while (this.now - quietSince < quietMs) {
      if (this.now > end) throw new Error(`asks on: ${JSON.stringify(this.intents.at(-1))}`);
      this.advance(SIM_STEP_MS);
      if (this.intents.length > seen) quietSince = this.now;
      seen = this.intents.length;
    }
  }

  ownerOf(world: string): string | undefined {
    const owner = this.store.seen("owner", ownerKey(firstShard(world)));
    const { record } = owner;
    if (record === undefined) return undefined;
    const node = this.store.seen("node", nodeKey(record.node));
    return isOwned(owner, node, this.store.generation) ? record.node : undefined;
  }

  mirrorOf(world: string): string | undefined {
    const { record } = this.store.seen("mirror", mirrorKey(firstShard(world)));
    return record === undefined ? undefined : `${record.node} ${record.state}`;
  }

  /** Where it is on its way to. */
  migratingTo(world: string): string | undefined {
    return this.store.seen("migration", migrationKey(firstShard(world))).record?.to;
  }

  wantedOf(world: string): string | undefined {
    return this.store.seen("shard", shardKey(firstShard(world))).record?.wanted;
  }

  private runPlanner(): void {
    for (;;) {
      const { intents, more } = this.planner.step(this.now);
      for (const intent of intents) {
        const from =
          intent.type === "lost" ? undefined : this.view.shards.get(intent.shard)?.wanted?.id;
        this.intents.push({ at: this.now, intent, from });
      }
      for (const proposed of this.planner.transactions(intents))
        this.proposals.push({ at: this.now + this.delay(), proposed });
      if (!more) return;
    }
  }

  private runProposals(): void {
    const due = this.proposals.filter(({ at }) => at <= this.now);
    this.proposals = this.proposals.filter(({ at }) => at > this.now);
    for (const { proposed } of due) {
      const isLost = this.random.float() < this.faults.lost;
      const { succeeded } = isLost ? { succeeded: false } : this.store.txn(proposed.txn);
      const isUnknown = isLost || this.random.float() < this.faults.unanswered;
      const outcome = isUnknown ? "unknown" : succeeded ? "done" : "failed";
      this.planner.settled(proposed, outcome, this.now);
    }
  }

  private deliverLater(changes: readonly Change[]): void {
    const last = this.watched.at(-1)?.at ?? 0;
    // In order, whatever the delay.
    this.watched.push({ at: Math.max(last, this.now + this.delay()), changes });
  }

  private runWatch(): void {
    while ((this.watched[0]?.at ?? Number.POSITIVE_INFINITY) <= this.now) {
      const event = this.watched.shift();
      if (event !== undefined) this.view.apply(event.changes, this.now);
    }
  }

  private delay(): number {
    return this.faults.delayMs === 0 ? 0 : this.random.int(0, this.faults.delayMs);
  }

  private run(made: Proposal<string>): boolean {
    return made.ok && this.store.txn(made.txn).succeeded;
  }
}
