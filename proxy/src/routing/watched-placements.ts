import {
  ABSENT,
  type Change,
  decodeRecord,
  firstShard,
  generationOf,
  isOwned,
  type KeyValue,
  migrationKey,
  mirrorKey,
  NODES,
  type NodeRecord,
  type OwnerRecord,
  ownerKey,
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
  /** What a node says of itself, until the owner's record says who it is. */
  hint: Pick<Placement, "node" | "epoch"> | undefined;
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
 * 5. A node's word that it became the owner counts until there is a newer state of the owner's record, the watch
 *    got past that epoch without one, or a reading shows that there is no such epoch yet (`disprove`).
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
  /** By shard: where it is being moved to. */
  private readonly moves = new Map<string, { to: string | undefined; modified: Revision }>();
  /** By shard: who mirrors it in sync. */
  private readonly mirrors = new Map<string, { node: string | undefined; modified: Revision }>();
  /** Shards with a hint. */
  private readonly hinted = new Set<string>();
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

  targetOf(shard: string): string | undefined {
    return this.moves.get(shard)?.to;
  }

  mirrorOf(shard: string): string | undefined {
    return this.mirrors.get(shard)?.node;
  }

  placed({ shard, node, epoch }: Placement): void {
    const entry = this.shards.get(shard);
    // Of a shard that was not heard of it is not known whose it may be.
    if (entry?.owner.record === undefined || epoch <= Math.max(entry.floor, entry.hint?.epoch ?? 0))
      return;
    const found = new Found();
    entry.hint = { node, epoch };
    this.hinted.add(shard);
    this.shardSet(node).add(shard);
    this.settle(shard, found);
    this.tell(found, false);
  }

  /** All changes of a prefix up to `revision` were told. */
  passed(prefix: WatchedPrefix, revision: Revision): void {
    if (prefix !== SHARDS || this.hinted.size === 0) return;
    const found = new Found();
    for (const shard of [...this.hinted]) {
      const entry = this.shards.get(shard);
      if (entry?.hint === undefined || entry.hint.epoch > revision) continue;
      this.dropHint(shard, entry);
      this.settle(shard, found);
    }
    this.tell(found, false);
  }

  /** What nodes say of themselves and no state has confirmed yet: which are asked for, with `disprove`. */
  get claims(): readonly Pick<Placement, "shard" | "epoch">[] {
    return [...this.hinted].flatMap((shard) => {
      const epoch = this.shards.get(shard)?.hint?.epoch;
      return epoch === undefined ? [] : [{ shard, epoch }];
    });
  }

  /**
   * The store was at `revision` after these claims were made. An epoch is a revision at which somebody became the owner, so
   * a higher one is false: the true owner counts, and the link to the node that said so ends, as it is at that
   * epoch. Returns whose claims they were.
   */
  disprove(claims: readonly Pick<Placement, "shard" | "epoch">[], revision: Revision): string[] {
    const found = new Found();
    const liars: string[] = [];
    for (const { shard, epoch } of claims) {
      const entry = this.shards.get(shard);
      if (entry?.hint?.epoch !== epoch || epoch <= revision) continue;
      liars.push(entry.hint.node);
      found.gone.add(entry.hint.node);
      this.dropHint(shard, entry);
      this.settle(shard, found);
    }
    this.tell(found, false);
    return liars;
  }

  private dropHint(shard: string, entry: Shard): void {
    const { hint, owner } = entry;
    if (hint === undefined) return;
    entry.hint = undefined;
    this.hinted.delete(shard);
    if (hint.node !== owner.record?.node) this.shardsOf.get(hint.node)?.delete(shard);
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
    this.passed(prefix, revision);
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
    else {
      for (const [shard, { floor }] of this.shards) yield [ownerKey(shard), floor];
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
    this.dropHint(shard, entry);
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
    const entry = { world, owner: ABSENT, floor: 0, hint: undefined, placement: undefined };
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
    const { world, placement: before } = entry;
    const at = this.whereabouts(entry);
    if (before?.node === at?.node && before?.epoch === at?.epoch) return;
    entry.placement = at && { world, shard, ...at };
    this.owned += Number(at !== undefined) - Number(before !== undefined);
    found.shards.add(shard);
    found.worlds.add(world);
  }

  private whereabouts({ owner, hint }: Shard): Pick<Placement, "node" | "epoch"> | undefined {
    // One whose node is gone, or of before a restore, says nothing.
    if (
      hint !== undefined &&
      this.addressOf(hint.node) !== undefined &&
      generationOf(hint.epoch) === this.generation
    )
      return hint;
    const node = owner.record?.node;
    if (node === undefined) return undefined;
    return isOwned(owner, this.nodes.get(node) ?? ABSENT, this.generation)
      ? { node, epoch: owner.modified }
      : undefined;
  }
}

/** Whether there is nothing behind a node's address. */
function isAway({ state }: NodeRecord): boolean {
  return state === "lost" || state === "stopped";
}
