import {
  type Change,
  firstShard,
  generationOf,
  hexOf,
  type KeyValue,
  type ModuleRecord,
  type MovedRecord,
  migrationKey,
  mirroredEpoch,
  mirrorKey,
  moduleKey,
  type NodeRecord,
  nodeKey,
  type OwnerRecord,
  ownerKey,
  type ShardRecord,
  shardKey,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { NodeEntry, type Pending, ShardEntry, type WorldEntry } from "./entries.ts";
import { NodeReports, type ReportSettings } from "./node-reports.ts";
import { Occupancy } from "./occupancy.ts";
import {
  type BadRecord,
  RecordReader,
  type RecordSink,
  type SeenMigration,
  type SeenMirror,
} from "./record-reader.ts";
import type { PlacementSettings } from "./settings.ts";
import { WorkQueue } from "./work-queue.ts";
import { kindKey, WorldKind } from "./world-kind.ts";

/**
 * The cluster as the watches show it, in the shape that placement needs, kept up to date change by change.
 *
 * 1. It decides nothing, and whatever it keeps of a record is enough to decide, so that a leader's view and
 *    one that was read anew give the same decisions.
 * 2. Changes come in the order of their revisions. What may need a decision after a change is in `dirty`,
 *    while somebody leads.
 * 3. A change costs in proportion to itself; that of a node, to the shards that name it; the first of
 *    a new generation (a restore), to all of them. Whoever must not block gives at most CHANGES_AT_ONCE
 *    at a time.
 */
export class ClusterView implements RecordSink {
  readonly nodes = new Map<string, NodeEntry>();
  readonly worlds = new Map<string, WorldEntry>();
  readonly shards = new Map<string, ShardEntry>();
  readonly kinds = new Map<string, WorldKind>();
  /** Digests of the artifact store by `name@version`. */
  readonly modules = new Map<string, string>();
  readonly occupancy = new Occupancy();
  /** Shards that may need a decision. */
  readonly dirty = new WorkQueue();
  /** Shards with a proposal that is not seen yet. */
  readonly pending = new Set<ShardEntry>();
  /** Shards with a migration under way. */
  readonly migrating = new Set<ShardEntry>();
  /** Goes up with every change of a node or a module: lists of nodes that fit are made anew. */
  nodesVersion = 0;
  generation = 0;
  /** What gameservers say of themselves. */
  readonly reports: NodeReports;
  private readonly settings: ViewSettings;
  private readonly reader = new RecordReader(this);

  constructor(settings: ViewSettings) {
    this.settings = settings;
    this.reports = new NodeReports(settings, this);
  }

  /** Records that could not be read, for people: at most MAX_BAD_RECORDS until somebody took them. */
  takeBad(): BadRecord[] {
    return this.reader.bad.splice(0);
  }

  /** Changes of a watch, or the items of a range as puts. `now` in ms of the planner's clock. */
  apply(changes: readonly Change[], now: number): void {
    for (const change of changes) {
      if (change.type === "put") this.reader.put(change.item, now);
      else this.reader.delete(change.key, change.modified, now);
    }
  }

  /** The items of a first read. */
  load(items: readonly KeyValue[], now: number): void {
    for (const item of items) this.reader.put(item, now);
  }

  /** Its owner said so last. */
  isAsleep(shard: string): boolean {
    const entry = this.shards.get(shard);
    return entry?.ownerHolds === true && entry.owner?.asleep.has(shard) === true;
  }

  /** Whether it may become the owner of this shard, room aside. */
  canTake(node: NodeEntry, shard: ShardEntry): boolean {
    const { record } = node;
    if (record?.state !== "ready" || !node.isRegistered(this.generation)) return false;
    if (record.cordoned && shard.owner !== node) return false;
    return shard.world?.kind.misfit(node, this.modules) === undefined;
  }

  hasRoom(node: NodeEntry, weight: number): boolean {
    return node.weight + weight <= (node.record?.capacity.weight ?? 0);
  }

  /** Something was proposed for a shard, or no longer is. From then on it counts where it will be. */
  propose(shard: ShardEntry, pending: Pending | undefined, now: number): void {
    if (pending === undefined) this.pending.delete(shard);
    else this.pending.add(shard);
    shard.pending = pending;
    this.recount(shard, now);
  }

  private recount(shard: ShardEntry, now: number): void {
    this.occupancy.recount(shard, this.generation, now);
  }

  /**
   * Keys of the records that the view was made of. Whoever reads the store anew, as a whole, finds in it what
   * has gone meanwhile.
   */
  *keys(): Generator<string> {
    for (const [id, { record }] of this.nodes) if (record !== undefined) yield nodeKey(id);
    for (const name of this.worlds.keys()) yield worldKey(name);
    for (const { name, modified, ownerModified, migration, mirror } of this.shards.values()) {
      if (modified !== 0) yield shardKey(name);
      if (ownerModified !== 0) yield ownerKey(name);
      if (migration !== undefined) yield migrationKey(name);
      if (mirror !== undefined) yield mirrorKey(name);
    }
    for (const module of this.modules.keys()) {
      const at = module.lastIndexOf("@");
      yield moduleKey(module.slice(0, at), module.slice(at + 1));
    }
  }

  /** The store is of this revision or a later one. After a restore nobody owns anything: all is looked at anew. */
  enterGeneration(revision: number, now: number): void {
    const generation = generationOf(revision);
    if (generation <= this.generation) return;
    this.generation = generation;
    this.nodesVersion += 1;
    this.occupancy.roomVersion += 1;
    for (const shard of this.shards.values()) this.changed(shard, now);
  }

  // Of the sink: the reader of the records calls it, and nobody else.

  setNode(id: string, record: NodeRecord | undefined, modified: number, now: number): void {
    const node = this.node(id);
    if (node.record?.boot !== record?.boot || node.record?.state === "lost") node.forgetReports();
    node.record = record;
    node.modified = modified;
    this.nodesVersion += 1;
    this.occupancy.roomVersion += 1;
    for (const shard of [...node.shards]) {
      if (shard.target === node) shard.since = now;
      // Another drain begins anew.
      if (record?.state === "ready" && shard.owner === node) shard.abortedDrains = 0;
      this.changed(shard, now);
    }
    this.tidy(node);
  }

  setWorld(
    name: string,
    record: WorldRecord | undefined,
    created: number,
    modified: number,
    now: number,
  ): void {
    const before = this.worlds.get(name);
    if (before !== undefined) {
      before.kind.worlds -= 1;
      if (before.kind.worlds === 0) this.kinds.delete(before.kind.key);
    }
    const shard = this.shard(firstShard(name), name);
    if (record === undefined) {
      this.worlds.delete(name);
      shard.world = undefined;
    } else {
      const kind = this.kind(record);
      kind.worlds += 1;
      const { weight, enabled, failover, durability } = record;
      shard.world = { name, created, modified, kind, weight, enabled, failover, durability };
      this.worlds.set(name, shard.world);
    }
    this.changed(shard, now);
  }

  setShard(
    name: string,
    world: string,
    record: ShardRecord | undefined,
    modified: number,
    now: number,
  ): void {
    const shard = this.shard(name, world);
    const before = shard.wanted;
    if (modified !== shard.modified) this.answered(shard);
    shard.wanted = record?.wanted === undefined ? undefined : this.node(record.wanted);
    shard.reason = record?.reason ?? "placed";
    shard.modified = modified;
    shard.since = now;
    this.changed(shard, now);
    this.tidy(before);
  }

  setOwner(
    name: string,
    world: string,
    record: OwnerRecord | undefined,
    modified: number,
    now: number,
  ): void {
    const shard = this.shard(name, world);
    const before = shard.owner;
    if (shard.ownerModified !== 0 && shard.ownerModified !== modified) shard.abortedDrains = 0;
    shard.owner = record === undefined ? undefined : this.node(record.node);
    shard.ownerBoot = record?.boot ?? "";
    shard.ownerHolds = record?.state === "owned";
    shard.ownerWorld = record?.world ?? 0;
    shard.ownerModified = modified;
    shard.since = now;
    this.changed(shard, now);
    this.tidy(before);
  }

  setMigration(name: string, world: string, seen: SeenMigration | undefined, now: number): void {
    const shard = this.shard(name, world);
    const before = shard.migration;
    if (seen?.modified !== before?.modified) this.answered(shard);
    if (seen === undefined) {
      shard.ended = before;
      shard.migration = undefined;
      this.migrating.delete(shard);
    } else {
      const since = before?.record.id === seen.record.id ? before.since : now;
      shard.migration = { ...seen, to: this.node(seen.record.to), since };
      this.migrating.add(shard);
    }
    this.changed(shard, now);
    this.tidy(before?.to);
  }

  setMirror(name: string, world: string, seen: SeenMirror | undefined, now: number): void {
    const shard = this.shard(name, world);
    const before = shard.mirror;
    const isAbout = shard.pending?.mirror !== undefined;
    if (isAbout && seen?.modified !== before?.modified) this.answered(shard);
    if (seen === undefined) {
      shard.lastMirror = before?.record;
      shard.mirror = undefined;
    } else {
      const since = before?.record.id === seen.record.id ? before.since : now;
      const record = { ...seen.record, epoch: mirroredEpoch(seen) ?? 0 };
      shard.mirror = { ...seen, record, node: this.node(record.node), since };
    }
    this.changed(shard, now);
    this.tidy(before?.node);
  }

  /** How a migration ended that was seen under way; what was before is of no use any more. */
  setMoved(name: string, { id, outcome, reason }: MovedRecord, now: number): void {
    const shard = this.shards.get(name);
    const ended = shard?.ended;
    if (shard === undefined || ended?.record.id !== id) return;
    shard.ended = undefined;
    if (outcome === "moved") return;
    shard.avoid = { node: ended.to, boot: ended.record.toBoot };
    shard.avoidUntil = now + this.settings.avoidMs;
    if (reason !== "drained") return;
    shard.abortedDrains += 1;
    shard.abortedAt = now;
  }

  /** What was proposed for a shard is decided: its records have changed. */
  private answered(shard: ShardEntry): void {
    if (shard.pending === undefined) return;
    this.pending.delete(shard);
    shard.pending = undefined;
    shard.failures = 0;
  }

  setModule(name: string, record: ModuleRecord | undefined): void {
    if (record === undefined) this.modules.delete(name);
    else this.modules.set(name, hexOf(record.digest));
    this.nodesVersion += 1;
    this.occupancy.roomVersion += 1;
  }

  private changed(shard: ShardEntry, now: number): void {
    this.recount(shard, now);
    const { world, modified, ownerModified, migration, mirror } = shard;
    const isThere = modified !== 0 || ownerModified !== 0;
    const isNamed = isThere || migration !== undefined || mirror !== undefined;
    if (world === undefined && !isNamed) {
      this.pending.delete(shard);
      shard.pending = undefined;
      this.occupancy.leave(shard);
      this.shards.delete(shard.name);
    } else this.dirty.add(shard);
  }

  private node(id: string): NodeEntry {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = new NodeEntry(id);
      this.nodes.set(id, node);
    }
    return node;
  }

  /** Lets go of a node without a record that no shard names. */
  private tidy(node: NodeEntry | undefined): void {
    if (node !== undefined && node.record === undefined && node.shards.size === 0)
      this.nodes.delete(node.id);
  }

  private shard(name: string, world: string): ShardEntry {
    let shard = this.shards.get(name);
    if (shard === undefined) {
      shard = new ShardEntry(name, world);
      if (name === firstShard(world)) shard.world = this.worlds.get(world);
      this.shards.set(name, shard);
    }
    return shard;
  }

  private kind(record: WorldRecord): WorldKind {
    const key = kindKey(record);
    let kind = this.kinds.get(key);
    if (kind === undefined) {
      kind = new WorldKind(key, record);
      this.kinds.set(key, kind);
    }
    return kind;
  }
}

/** What the view needs of the settings of placement. */
export interface ViewSettings extends ReportSettings, Pick<PlacementSettings, "avoidMs"> {}

/** So many changes take a few ms. */
export const CHANGES_AT_ONCE = 250;
