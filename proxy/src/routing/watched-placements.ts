import {
  ABSENT,
  type Change,
  decodeRecord,
  firstShard,
  type KeyValue,
  migrationKey,
  mirrorKey,
  NODES,
  type Placement,
  type PlacementChanges,
  type PlacementView,
  parseRecordKey,
  type Revision,
  SHARDS,
  seen,
  WORLDS,
} from "@atlasnet/core";
import { Found, type OwnerClaim, ShardOwners } from "./shard-owners.ts";

/** What a proxy watches of the control store. */
export const WATCHED_PREFIXES = [NODES, WORLDS, SHARDS] as const;
export type WatchedPrefix = (typeof WATCHED_PREFIXES)[number];

/**
 * Placements as the control store tells them: states of `nodes/`, `worlds/` and `shards/…/owner`. Pure.
 *
 * 1. Each key's states may come late, twice, and not in step with other keys': what is older than what
 *    is known is left out, and every answer is worked out from the newest of each.
 * 2. What was not heard stays as it was: an interrupted watch takes nothing away.
 * 3. A change costs what it touches, not what there is.
 */
export class WatchedPlacements implements PlacementView {
  private readonly unread = new Set<string>(WATCHED_PREFIXES);
  private readonly owners = new ShardOwners();
  /** Worlds of the catalogue: when each was made and changed, and whether it is to run. */
  private readonly worlds = new Map<
    string,
    { created: Revision; modified: Revision; enabled: boolean }
  >();
  /** By shard: where it is being moved to. */
  private readonly moves = new Map<string, { to: string | undefined; modified: Revision }>();
  /** By shard: who mirrors it in sync. */
  private readonly mirrors = new Map<string, { node: string | undefined; modified: Revision }>();
  private readonly watchers = new Set<(changes: PlacementChanges) => void>();
  private unreadable = 0;

  get complete(): boolean {
    return this.unread.size === 0;
  }

  /** Prefixes that were not read yet. */
  get awaited(): readonly string[] {
    return [...this.unread];
  }

  /** Shards with an owner. */
  get ownedCount(): number {
    return this.owners.count;
  }

  /** Records that could not be read: of another version of the server, or damaged. */
  get unreadableCount(): number {
    return this.unreadable;
  }

  lookup(world: string): Placement | undefined {
    const shard = firstShard(world);
    // A world that was made anew under its name waits for the owner of the old one to go.
    return this.owners.worldOf(shard) === this.worlds.get(world)?.created
      ? this.owners.placementOf(shard)
      : undefined;
  }

  placementOf(shard: string): Placement | undefined {
    return this.owners.placementOf(shard);
  }

  expects(world: string): boolean {
    return this.worlds.has(world);
  }

  whyNot(world: string): "disabled" | "removed" | undefined {
    if (!this.complete) return undefined;
    const known = this.worlds.get(world);
    if (known === undefined) return "removed";
    return known.enabled ? undefined : "disabled";
  }

  targetOf(shard: string): string | undefined {
    return this.moves.get(shard)?.to;
  }

  mirrorOf(shard: string): string | undefined {
    return this.mirrors.get(shard)?.node;
  }

  placed(placement: Placement): void {
    const found = new Found();
    this.owners.claimed(placement, found);
    this.tell(found, false);
  }

  /** All changes of a prefix up to `revision` were told. */
  passed(prefix: WatchedPrefix, revision: Revision): void {
    if (prefix !== SHARDS || !this.owners.hasClaims) return;
    const found = new Found();
    this.owners.passed(revision, found);
    this.tell(found, false);
  }

  /** What nodes say of themselves and no state has confirmed yet: which are asked for, with `disprove`. */
  get claims(): readonly OwnerClaim[] {
    return this.owners.claims;
  }

  /**
   * The store was at `revision` after these claims were made. An epoch is a revision at which somebody became the owner, so
   * a higher one is false: the true owner counts, and the link to the node that said so ends, as it is at that
   * epoch. Returns whose claims they were.
   */
  disprove(claims: readonly OwnerClaim[], revision: Revision): string[] {
    const found = new Found();
    const liars = this.owners.disprove(claims, revision, found);
    this.tell(found, false);
    return liars;
  }

  /** All of them, at a price. */
  list(): readonly Placement[] {
    return this.owners.list();
  }

  /** Where a gameserver takes links; undefined when it is not known, or not there. `host:port`. */
  addressOf(node: string): string | undefined {
    return this.owners.addressOf(node);
  }

  watch(changed: (changes: PlacementChanges) => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  /**
   * Everything below a prefix, as of `revision` or later: what is not among it and not newer is gone.
   */
  read(prefix: WatchedPrefix, revision: Revision, items: readonly KeyValue[]): void {
    const found = new Found();
    this.owners.reached(revision, found);
    const there = new Set<string>();
    for (const item of items) {
      there.add(item.key);
      this.put(item, found);
    }
    for (const [key, modified] of this.known(prefix))
      if (!there.has(key) && modified <= revision) this.remove(key, revision, found);
    const first = this.unread.delete(prefix);
    this.tell(found, first && this.complete);
    this.passed(prefix, revision);
  }

  /** What a watch tells. */
  changed(revision: Revision, changes: readonly Change[]): void {
    const found = new Found();
    this.owners.reached(revision, found);
    for (const change of changes)
      if (change.type === "put") this.put(change.item, found);
      else this.remove(change.key, change.modified, found);
    this.tell(found, false);
  }

  private tell({ shards, worlds, gone }: Found, all: boolean): void {
    if (!all && shards.size + worlds.size + gone.size === 0) return;
    const changes = {
      shards: [...shards],
      worlds: all ? ("all" as const) : [...worlds],
      gone: [...gone],
    };
    for (const changed of [...this.watchers]) changed(changes);
  }

  private *known(prefix: WatchedPrefix): Iterable<[key: string, modified: Revision]> {
    if (prefix === NODES)
      for (const [node, { modified }] of this.owners.nodes) yield [`${NODES}${node}`, modified];
    else if (prefix === WORLDS)
      for (const [world, { modified }] of this.worlds) yield [`${WORLDS}${world}`, modified];
    else {
      yield* this.owners.keys();
      for (const [shard, { modified }] of this.moves) yield [migrationKey(shard), modified];
      for (const [shard, { modified }] of this.mirrors) yield [mirrorKey(shard), modified];
    }
  }

  private put(item: KeyValue, found: Found): void {
    const key = parseRecordKey(item.key);
    if (key?.kind === "node") this.putNode(key.node, item, found);
    else if (key?.kind === "world") this.putWorld(key.world, item, found);
    else if (key?.kind === "owner") this.putOwner(key.shard, item, found);
    else if (key?.kind === "migration") this.putMove(key.shard, item, found);
    else if (key?.kind === "mirror") this.putMirror(key.shard, item, found);
  }

  private remove(text: string, modified: Revision, found: Found): void {
    const key = parseRecordKey(text);
    if (key?.kind === "node") this.owners.removeNode(key.node, modified, found);
    else if (key?.kind === "world") {
      const before = this.worlds.get(key.world);
      if (before === undefined || modified < before.modified) return;
      this.worlds.delete(key.world);
      found.worlds.add(key.world);
    } else if (key?.kind === "owner") this.owners.remove(key.shard, modified, found);
    else if (key?.kind === "migration") {
      if (modified < (this.moves.get(key.shard)?.modified ?? Number.POSITIVE_INFINITY)) return;
      this.moves.delete(key.shard);
    } else if (key?.kind === "mirror") {
      if (modified < (this.mirrors.get(key.shard)?.modified ?? Number.POSITIVE_INFINITY)) return;
      this.mirrors.delete(key.shard);
    }
  }

  private putMirror(shard: string, item: KeyValue, found: Found): void {
    if (item.modified <= (this.mirrors.get(shard)?.modified ?? -1)) return;
    const decoded = decodeRecord("mirror", item.value);
    if (!decoded.ok) this.unreadable += 1;
    const isInSync = decoded.ok && decoded.record.state === "in-sync";
    const node = isInSync ? decoded.record.node : undefined;
    this.mirrors.set(shard, { node, modified: item.modified });
    if (node !== undefined) found.shards.add(shard);
  }

  private putMove(shard: string, item: KeyValue, found: Found): void {
    if (item.modified <= (this.moves.get(shard)?.modified ?? -1)) return;
    const decoded = decodeRecord("migration", item.value);
    if (!decoded.ok) this.unreadable += 1;
    // One that cannot be read costs no more than a link that is opened later.
    this.moves.set(shard, {
      to: decoded.ok ? decoded.record.to : undefined,
      modified: item.modified,
    });
    found.shards.add(shard);
  }

  private putNode(node: string, item: KeyValue, found: Found): void {
    const before = this.owners.nodes.get(node);
    if (before !== undefined && item.modified <= before.modified) return;
    const decoded = decodeRecord("node", item.value);
    if (!decoded.ok) this.unreadable += 1;
    // One that cannot be read is nowhere to go to, as one that is not there.
    const record = decoded.ok && decoded.record.role === "gameserver" ? decoded.record : undefined;
    if (record === undefined && before === undefined) return;
    this.owners.putNode(node, { record, created: item.created, modified: item.modified }, found);
  }

  private putWorld(world: string, item: KeyValue, found: Found): void {
    const before = this.worlds.get(world);
    if (before !== undefined && item.modified <= before.modified) return;
    const decoded = decodeRecord("world", item.value);
    if (!decoded.ok) this.unreadable += 1;
    // Of one that cannot be read nothing is certain.
    const enabled = !decoded.ok || decoded.record.enabled;
    const { created, modified } = item;
    this.worlds.set(world, { created, modified, enabled });
    // The rest of what it is made of is nothing to a proxy.
    if (before?.created !== created || before.enabled !== enabled) found.worlds.add(world);
  }

  private putOwner(shard: string, item: KeyValue, found: Found): void {
    // Readings show most of it again.
    if (item.modified <= (this.owners.floorOf(shard) ?? -1)) return;
    const decoded = decodeRecord("owner", item.value);
    if (!decoded.ok) this.unreadable += 1;
    const owner = decoded.ok ? seen(decoded.record, item) : ABSENT;
    this.owners.put(shard, owner, item.modified, found);
  }
}
