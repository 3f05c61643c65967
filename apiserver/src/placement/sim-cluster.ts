import {
  abortMigration,
  type Change,
  changeNodeState,
  claimShard,
  clearMirror,
  confirmMirror,
  cordonNode,
  createWorld,
  drainNode,
  encodeRecord,
  firstShard,
  generationOf,
  isOwned,
  type KeyValue,
  type ModuleSource,
  migrationKey,
  mirrorKey,
  moduleKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  type Proposal,
  type PseudoRandom,
  parseRecordKey,
  promoteMirror,
  registerNode,
  releaseShard,
  removeWorld,
  shardKey,
  switchShard,
  updateWorld,
  type WorldRecord,
  whyRelease,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import { claimView, nodeRecord, TinyStore, worldRecord } from "@atlasnet/core/testing";
import { LeaseTable } from "../store/lease-table.ts";
import type { Intent, Proposed } from "./intents.ts";
import { PlacementPlanner } from "./planner.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";
import { ClusterView } from "./view.ts";

/** Time goes in steps of this many ms. */
export const SIM_STEP_MS = 100;
const LEASE_MS = 3000;
/** A migration is done this long after its target saw it. */
const MIGRATION_MS = 400;

interface SimNode {
  readonly id: string;
  boot: string;
  isUp: boolean;
  /** Cut off: renews nothing, hears nothing, and still runs. */
  isCut: boolean;
  /** Takes nothing that it is asked to take. */
  isBroken: boolean;
  /** What it does about migrations to it: brings them to their end, gives them up, or nothing at all. */
  migrates: "well" | "gives-up" | "never-ends";
  leaseUntil: number;
  /** Of the store when it last looked, under its lease. */
  looked: number;
  /** Shards it acts for, with their epochs. */
  readonly acts: Map<string, number>;
  /** When it saw migrations and mirrors that were asked of it first, by their id. */
  readonly arriving: Map<string, number>;
}

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
  readonly nodes = new Map<string, SimNode>();
  /** Every intent ever, for checks. */
  readonly intents: {
    readonly at: number;
    readonly intent: Intent;
    readonly from: string | undefined;
  }[] = [];
  faults: SimFaults;
  private readonly random: PseudoRandom;
  private boots = 0;
  /** Keys of migrations and mirrors, as of a revision of the store. */
  private ofFollowers: { readonly revision: number; readonly keys: readonly string[] } = {
    revision: -1,
    keys: [],
  };
  promotions = 0;
  private watched: { readonly at: number; readonly changes: readonly Change[] }[] = [];
  private proposals: { readonly at: number; readonly proposed: Proposed }[] = [];

  constructor(random: PseudoRandom, faults: SimFaults = NO_FAULTS, settings = DEFAULT_PLACEMENT) {
    this.random = random;
    this.faults = faults;
    this.settings = settings;
    this.view = new ClusterView(settings);
    this.planner = new PlacementPlanner(settings, this.view, this.leases);
    this.lead();
    this.store.onChanges = (changes) => {
      this.tellLeases(changes);
      this.deliverLater(changes);
    };
  }

  addNode(id: string, record: Partial<NodeRecord> = {}): void {
    const before = this.nodes.get(id);
    if (before?.isUp === true) return;
    const boot = `${id}-${++this.boots}`;
    const made = registerNode(id, this.store.seen("node", nodeKey(id)), {
      record: nodeRecord({ leaseMs: LEASE_MS, ...record, boot, state: "ready" }),
      generation: this.store.generation,
      previousBoot: this.store.seen("node", nodeKey(id)).record?.boot,
    });
    if (!this.run(made)) return;
    this.store.leases.add(id);
    const node = {
      id,
      boot,
      isUp: true,
      isCut: false,
      isBroken: false,
      migrates: "well" as const,
      looked: -1,
      acts: new Map(),
      arriving: new Map(),
    };
    this.nodes.set(id, { ...node, leaseUntil: this.now + LEASE_MS });
  }

  kill(id: string): void {
    const node = this.nodes.get(id);
    if (node === undefined) return;
    node.isUp = false;
    node.acts.clear();
    node.arriving.clear();
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
      this.runLeases();
      this.runProposals();
      for (const node of this.nodes.values()) if (node.isUp && !node.isCut) this.runNode(node);
      this.runMigrations();
      this.runMirrors();
      this.runWatch();
      this.runPlanner();
      this.checkActors();
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

  private runLeases(): void {
    for (const node of this.nodes.values()) {
      const { id, boot } = node;
      if (node.isUp && !node.isCut && this.renew(id, boot)) {
        this.store.leases.add(id);
        node.leaseUntil = this.now + LEASE_MS;
      }
      if (this.now < node.leaseUntil) continue;
      // Its own clock says so: it stops acting before anybody else may begin.
      node.acts.clear();
      this.store.leases.delete(id);
    }
  }

  private runNode(node: SimNode): void {
    const { id, boot } = node;
    const { store } = this;
    if (node.looked === store.revision) return;
    node.looked = store.leases.has(id) && !node.isBroken ? store.revision : -1;
    for (const key of store.keys("shards/")) {
      const parsed = parseRecordKey(key);
      if (parsed?.kind !== "shard") continue;
      const name = parsed.shard;
      const view = claimView(store, worldOfShard(name) ?? "", id);
      const mine = view.owner.record?.node === id && view.owner.record.boot === boot;
      if (mine && view.owner.record?.state === "owned") {
        if (whyRelease(view, { node: id, boot }) === undefined) {
          if (store.leases.has(id)) node.acts.set(name, view.owner.modified);
          continue;
        }
        node.acts.delete(name);
        this.run(releaseShard(name, view.owner, { node: id, boot }));
      } else if (!node.isBroken) {
        const made = claimShard(name, view, { node: id, boot, generation: store.generation });
        if (this.run(made)) node.acts.set(name, store.revision);
      }
    }
  }

  /** Both nodes have to be there for a shard to arrive; the source stops at the moment that the target begins. */
  private runMigrations(): void {
    const { store } = this;
    for (const key of this.followed()) {
      const parsed = parseRecordKey(key);
      if (parsed?.kind !== "migration") continue;
      const { shard } = parsed;
      const migration = store.seen("migration", key);
      const { record } = migration;
      const target = this.nodes.get(record?.to ?? "");
      const source = this.nodes.get(record?.from ?? "");
      if (record === undefined || target?.boot !== record.toBoot || !isThere(target)) continue;
      const begun = target.arriving.get(record.id) ?? this.now;
      target.arriving.set(record.id, begun);
      if (this.now < begun + MIGRATION_MS || target.migrates === "never-ends") continue;
      if (target.migrates === "gives-up") {
        const how = { by: target.id, problem: "it would not do it", ended: this.now };
        this.run(abortMigration(shard, migration, how));
        continue;
      }
      if (source?.boot !== record.fromBoot || !isThere(source) || !source.acts.has(shard)) continue;
      const view = {
        migration,
        owner: store.seen("owner", ownerKey(shard)),
        shard: store.seen("shard", shardKey(shard)),
        world: store.seen("world", worldKey(parsed.world)),
        node: store.seen("node", nodeKey(target.id)),
        mirror: store.seen("mirror", mirrorKey(shard)),
      };
      const me = { node: target.id, boot: target.boot, generation: store.generation };
      if (!this.run(switchShard(shard, view, me, this.now))) continue;
      source.acts.delete(shard);
      target.acts.set(shard, store.revision);
    }
  }

  /**
   * A mirror is in sync some time after it was asked for. It takes over when it does not hear of the owner, which then
   * lets nothing out any more; and the owner clears it when it is not there.
   */
  private runMirrors(): void {
    const { store } = this;
    for (const key of this.followed()) {
      const parsed = parseRecordKey(key);
      if (parsed?.kind !== "mirror") continue;
      const { shard } = parsed;
      const mirror = store.seen("mirror", key);
      const owner = store.seen("owner", ownerKey(shard));
      const { record } = mirror;
      if (record === undefined || record.epoch !== owner.modified) continue;
      const node = this.nodes.get(record.node);
      const source = this.nodes.get(owner.record?.node ?? "");
      const follows = node?.boot === record.boot && isThere(node) && !node.isBroken;
      const acts = source !== undefined && isThere(source) && source.acts.has(shard);
      const id = `${shard} ${record.id}`;
      if (node !== undefined && follows && record.state === "asked" && acts) {
        const begun = node.arriving.get(id) ?? this.now;
        node.arriving.set(id, begun);
        if (this.now >= begun + MIGRATION_MS) this.run(confirmMirror(shard, mirror, record));
      }
      if (record.state !== "in-sync") continue;
      if (acts && !follows)
        this.run(clearMirror(shard, { mirror, owner }, { epoch: record.epoch }));
      if (acts || node === undefined || !follows) continue;
      const view = claimView(store, parsed.world, node.id);
      const { generation } = store;
      const me = { node: node.id, boot: node.boot, generation, follows: record.id };
      if (!this.run(promoteMirror(shard, view, me))) continue;
      this.promotions += 1;
      source?.acts.delete(shard);
      node.acts.set(shard, store.revision);
    }
  }

  private followed(): readonly string[] {
    const { store } = this;
    const isOne = (key: string) => /\/(?:migration|mirror)$/.test(key);
    if (this.ofFollowers.revision !== store.revision)
      this.ofFollowers = {
        revision: store.revision,
        keys: store.keys("shards/").filter(isOne),
      };
    return this.ofFollowers.keys;
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

  /** At most one process acts for a shard, and only in the newest epoch. */
  private checkActors(): void {
    const seen = new Map<string, string>();
    for (const { id, acts } of this.nodes.values())
      for (const [shard, epoch] of acts) {
        const other = seen.get(shard);
        if (other !== undefined) throw new Error(`${other} and ${id} both act for ${shard}`);
        seen.set(shard, id);
        const item: KeyValue | undefined = this.store.get(ownerKey(shard));
        if (item !== undefined && item.modified < epoch)
          throw new Error(`${shard}: epoch ${epoch} came from nowhere`);
        if (generationOf(epoch) !== this.store.generation)
          throw new Error("an old generation acts");
      }
  }
}

function isThere({ isUp, isCut }: SimNode): boolean {
  return isUp && !isCut;
}
