import {
  ABSENT,
  type Change,
  decodeRecord,
  firstShard,
  generationOf,
  isOwned,
  type KeyValue,
  NODES,
  type NodeRecord,
  type OwnerRecord,
  type Placement,
  type PlacementChanges,
  type PlacementView,
  parseRecordKey,
  type Revision,
  type Seen,
  SHARDS,
  seen,
  WORLDS,
  worldOfShard,
} from "@atlasnet/core";

/** What a proxy watches of the control store. */
export const WATCHED_PREFIXES = [NODES, WORLDS, SHARDS] as const;
export type WatchedPrefix = (typeof WATCHED_PREFIXES)[number];

interface Shard {
  readonly world: string;
  owner: Seen<OwnerRecord>;
  /** The newest revision that was seen of the owner's key; what is older is not taken (design rule 5.3). */
  floor: Revision;
  /** As it was told last. */
  placement: Placement | undefined;
}

/** What one call of `read` or `changed` has found. */
class Found {
  readonly shards = new Set<string>();
  readonly worlds = new Set<string>();
  readonly gone = new Set<string>();
}

/**
 * Placements as the control store tells them: states of `nodes/`, `worlds/` and `shards/…/owner`. Pure.
 *
 * 1. A shard is where its owner record says, while that is the right of its node (`isOwned`); its epoch
 *    is the revision of that record, and never goes back.
 * 2. Each key's states may come late, twice, and not in step with other keys': what is older than what
 *    is known is left out, and every answer is worked out from the newest of each.
 * 3. What was not heard stays as it was: an interrupted watch takes nothing away.
 * 4. A change costs what it touches, not what there is.
 */
export class WatchedPlacements implements PlacementView {
  private readonly unread = new Set<string>(WATCHED_PREFIXES);
  /** Gameservers alone. */
  private readonly nodes = new Map<string, Seen<NodeRecord>>();
  /** Worlds of the catalogue: when each was made and changed, and whether it is to run. */
  private readonly worlds = new Map<
    string,
    { created: Revision; modified: Revision; enabled: boolean }
  >();
  private readonly shards = new Map<string, Shard>();
  /** Shards whose owner record names the node. */
  private readonly shardsOf = new Map<string, Set<string>>();
  private readonly watchers = new Set<(changes: PlacementChanges) => void>();
  private generation = 0;
  private owned = 0;
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
    return this.owned;
  }

  /** Records that could not be read: of another version of the server, or damaged. */
  get unreadableCount(): number {
    return this.unreadable;
  }

  lookup(world: string): Placement | undefined {
    const entry = this.shards.get(firstShard(world));
    // A world that was made anew under its name waits for the owner of the old one to go.
    return entry?.owner.record?.world === this.worlds.get(world)?.created
      ? entry?.placement
      : undefined;
  }

  placementOf(shard: string): Placement | undefined {
    return this.shards.get(shard)?.placement;
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

  /** All of them, at a price. */
  list(): readonly Placement[] {
    return [...this.shards.values()].flatMap(({ placement }) => placement ?? []);
  }

  /** Where a gameserver takes links; undefined when it is not known, or not there. `host:port`. */
  addressOf(node: string): string | undefined {
    const record = this.nodes.get(node)?.record;
    return record === undefined || isAway(record) ? undefined : record.address;
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
    this.reached(revision, found);
    const there = new Set<string>();
    for (const item of items) {
      there.add(item.key);
      this.put(item, found);
    }
    for (const [key, modified] of this.known(prefix))
      if (!there.has(key) && modified <= revision) this.remove(key, revision, found);
    const first = this.unread.delete(prefix);
    this.tell(found, first && this.complete);
  }

  /** What a watch tells. */
  changed(revision: Revision, changes: readonly Change[]): void {
    const found = new Found();
    this.reached(revision, found);
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

  /** A restore from a backup began another generation: what was owned in earlier ones is owned no more. */
  private reached(revision: Revision, found: Found): void {
    const generation = generationOf(revision);
    if (generation <= this.generation) return;
    this.generation = generation;
    for (const shard of this.shards.keys()) this.settle(shard, found);
  }

  private *known(prefix: WatchedPrefix): Iterable<[key: string, modified: Revision]> {
    if (prefix === NODES)
      for (const [node, { modified }] of this.nodes) yield [`${NODES}${node}`, modified];
    else if (prefix === WORLDS)
      for (const [world, { modified }] of this.worlds) yield [`${WORLDS}${world}`, modified];
    else for (const [shard, { floor }] of this.shards) yield [`${SHARDS}${shard}/owner`, floor];
  }

  private put(item: KeyValue, found: Found): void {
    const key = parseRecordKey(item.key);
    if (key?.kind === "node") this.putNode(key.node, item, found);
    else if (key?.kind === "world") this.putWorld(key.world, item, found);
    else if (key?.kind === "owner") this.putOwner(key.shard, item, found);
  }

  private remove(text: string, modified: Revision, found: Found): void {
    const key = parseRecordKey(text);
    if (key?.kind === "node") {
      const before = this.nodes.get(key.node);
      if (before === undefined || modified < before.modified) return;
      this.nodes.delete(key.node);
      this.nodeChanged(key.node, before.record, found);
    } else if (key?.kind === "world") {
      const before = this.worlds.get(key.world);
      if (before === undefined || modified < before.modified) return;
      this.worlds.delete(key.world);
      found.worlds.add(key.world);
    } else if (key?.kind === "owner") this.removeOwner(key.shard, modified, found);
  }

  private putNode(node: string, item: KeyValue, found: Found): void {
    const before = this.nodes.get(node);
    if (before !== undefined && item.modified <= before.modified) return;
    const decoded = decodeRecord("node", item.value);
    if (!decoded.ok) this.unreadable += 1;
    // One that cannot be read is nowhere to go to, as one that is not there.
    const record = decoded.ok && decoded.record.role === "gameserver" ? decoded.record : undefined;
    if (record === undefined && before === undefined) return;
    this.nodes.set(node, { record, created: item.created, modified: item.modified });
    this.nodeChanged(node, before?.record, found);
  }

  private nodeChanged(node: string, before: NodeRecord | undefined, found: Found): void {
    const now = this.addressOf(node);
    if (before !== undefined && !isAway(before) && now !== before.address) found.gone.add(node);
    for (const shard of this.shardsOf.get(node) ?? []) this.settle(shard, found);
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
    if (item.modified <= (this.shards.get(shard)?.floor ?? -1)) return;
    const decoded = decodeRecord("owner", item.value);
    if (!decoded.ok) this.unreadable += 1;
    this.takeOwner(shard, decoded.ok ? seen(decoded.record, item) : ABSENT, item.modified, found);
  }

  private removeOwner(shard: string, modified: Revision, found: Found): void {
    if (modified < (this.shards.get(shard)?.floor ?? Number.POSITIVE_INFINITY)) return;
    this.takeOwner(shard, ABSENT, modified, found);
    // Its floor with it: within a watch states do not go back, and a reading is never behind a watch.
    this.shards.delete(shard);
  }

  private takeOwner(
    shard: string,
    owner: Seen<OwnerRecord>,
    modified: Revision,
    found: Found,
  ): void {
    const entry = this.shards.get(shard) ?? this.newShard(shard);
    if (entry === undefined || modified < entry.floor) return;
    const [before, after] = [entry.owner.record?.node, owner.record?.node];
    entry.owner = owner;
    entry.floor = modified;
    if (before !== after) {
      if (before !== undefined) this.shardsOf.get(before)?.delete(shard);
      if (after !== undefined) this.shardSet(after).add(shard);
    }
    this.settle(shard, found);
  }

  private newShard(shard: string): Shard | undefined {
    const world = worldOfShard(shard);
    if (world === undefined) return undefined;
    const entry = { world, owner: ABSENT, floor: 0, placement: undefined };
    this.shards.set(shard, entry);
    return entry;
  }

  private shardSet(node: string): Set<string> {
    const set = this.shardsOf.get(node) ?? new Set<string>();
    this.shardsOf.set(node, set);
    return set;
  }

  /** Works out anew where a shard is. */
  private settle(shard: string, found: Found): void {
    const entry = this.shards.get(shard);
    if (entry === undefined) return;
    const { owner, world, placement: before } = entry;
    const node = owner.record?.node;
    const owned =
      node !== undefined && isOwned(owner, this.nodes.get(node) ?? ABSENT, this.generation);
    if (owned && before?.node === node && before.epoch === owner.modified) return;
    if (!owned && before === undefined) return;
    entry.placement = owned ? { world, shard, node, epoch: owner.modified } : undefined;
    this.owned += Number(owned) - Number(before !== undefined);
    found.shards.add(shard);
    found.worlds.add(world);
  }
}

/** Whether there is nothing behind a node's address. */
function isAway({ state }: NodeRecord): boolean {
  return state === "lost" || state === "stopped";
}
