import {
  abortMigration,
  claimShard,
  clearMirror,
  confirmMirror,
  generationOf,
  type KeyValue,
  mirroredEpoch,
  mirrorKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  type Proposal,
  parseRecordKey,
  promoteMirror,
  registerNode,
  releaseShard,
  shardKey,
  switchShard,
  whyRelease,
  withdrawMirror,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import { claimView, nodeRecord, type TinyStore } from "@atlasnet/core/testing";

const LEASE_MS = 3000;
/** A migration is done this long after its target saw it. */
const MIGRATION_MS = 400;

export interface SimNode {
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

/**
 * Gameservers as placement sees them: they register, hold leases, claim and release, and bring migrations and mirrors
 * to their end. A `SimCluster` runs them, step by step.
 */
export class SimGameservers {
  readonly nodes = new Map<string, SimNode>();
  promotions = 0;
  private readonly store: TinyStore;
  /** Whether the lease of a node is renewed, now. */
  private readonly renew: (node: string, boot: string) => boolean;
  private now = 0;
  private boots = 0;
  /** Keys of migrations and mirrors, as of a revision of the store. */
  private ofFollowers: { readonly revision: number; readonly keys: readonly string[] } = {
    revision: -1,
    keys: [],
  };

  constructor(store: TinyStore, renew: (node: string, boot: string) => boolean) {
    this.store = store;
    this.renew = renew;
  }

  /** A new process of it, unless one runs. */
  start(id: string, record: Partial<NodeRecord>, now: number): void {
    const before = this.nodes.get(id);
    if (before?.isUp === true) return;
    const boot = `${id}-${++this.boots}`;
    const made = registerNode(id, this.store.seen("node", nodeKey(id)), {
      record: nodeRecord({ leaseMs: LEASE_MS, ...record, boot, state: "ready" }),
      generation: this.store.generation,
      previousBoot: this.store.seen("node", nodeKey(id)).record?.boot,
    });
    if (!this.propose(made)) return;
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
    this.nodes.set(id, { ...node, leaseUntil: now + LEASE_MS });
  }

  kill(id: string): void {
    const node = this.nodes.get(id);
    if (node === undefined) return;
    node.isUp = false;
    node.acts.clear();
    node.arriving.clear();
  }

  /** What they do with a step of time, but for their leases. */
  run(now: number): void {
    this.now = now;
    for (const node of this.nodes.values()) if (isThere(node)) this.runNode(node);
    this.runMigrations();
    this.runMirrors();
  }

  /** Before anything else of a step: it renews leases, and ends those that nobody renews. */
  runLeases(now: number): void {
    this.now = now;
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
        this.propose(releaseShard(name, view.owner, { node: id, boot }));
      } else if (!node.isBroken) {
        const made = claimShard(name, view, { node: id, boot, generation: store.generation });
        if (this.propose(made)) node.acts.set(name, store.revision);
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
        this.propose(abortMigration(shard, migration, how));
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
      if (!this.propose(switchShard(shard, view, me, { ended: this.now, keeps: true }))) continue;
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
      if (record === undefined || mirroredEpoch(mirror) !== owner.modified) continue;
      const node = this.nodes.get(record.node);
      const source = this.nodes.get(owner.record?.node ?? "");
      const follows = node?.boot === record.boot && isThere(node) && !node.isBroken;
      const acts = source !== undefined && isThere(source) && source.acts.has(shard);
      const id = `${shard} ${record.id}`;
      if (node !== undefined && follows && record.state === "asked" && acts) {
        const begun = node.arriving.get(id) ?? this.now;
        node.arriving.set(id, begun);
        const world = store.seen("world", worldKey(parsed.world)).record;
        const how = { epoch: record.epoch, unleased: world?.failover === "manual" };
        if (this.now >= begun + MIGRATION_MS) this.propose(confirmMirror(shard, mirror, how));
      }
      if (record.state !== "in-sync") continue;
      if (record.leaving === true && node !== undefined && follows) {
        const { id: of, boot } = node;
        this.propose(withdrawMirror(shard, mirror, { node: of, boot, follows: record.id }));
        continue;
      }
      if (acts && !follows)
        this.propose(clearMirror(shard, { mirror, owner }, { epoch: owner.modified }));
      if (acts || node === undefined || !follows) continue;
      const view = claimView(store, parsed.world, node.id);
      const { generation } = store;
      const me = { node: node.id, boot: node.boot, generation, follows: record.id };
      if (!this.propose(promoteMirror(shard, view, me))) continue;
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

  private propose(made: Proposal<string>): boolean {
    return made.ok && this.store.txn(made.txn).succeeded;
  }

  /** At most one process acts for a shard, and only in the newest epoch. */
  checkActors(): void {
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
