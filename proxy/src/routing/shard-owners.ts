import {
  ABSENT,
  generationOf,
  isOwned,
  type NodeRecord,
  type OwnerRecord,
  ownerKey,
  type Placement,
  type Revision,
  type Seen,
  worldOfShard,
} from "@atlasnet/core";

/** A node says that it became the owner of a shard, at that epoch. */
export type OwnerClaim = Pick<Placement, "shard" | "epoch">;

/** What has changed for those who route: shards and worlds elsewhere, and nodes to which links end. */
export class Found {
  readonly shards = new Set<string>();
  readonly worlds = new Set<string>();
  readonly gone = new Set<string>();
}

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

/**
 * Who owns each shard, worked out from owner records, from the nodes that they name, and from what nodes say of
 * themselves. Pure. What a call changes it adds to the `Found` that it is given.
 *
 * 1. A shard is where its owner record says, while that is the right of its node (`isOwned`); its epoch
 *    is the revision of that record, and never goes back.
 * 2. A node's word that it became the owner counts until there is a newer state of the owner's record, the watch
 *    got past that epoch without one, or a reading shows that there is no such epoch yet (`disprove`).
 * 3. A change costs what it touches, not what there is; that of a generation touches all.
 */
export class ShardOwners {
  private readonly known = new Map<string, Seen<NodeRecord>>();
  private readonly shards = new Map<string, Shard>();
  /** Shards whose owner record names the node, or which it claims. */
  private readonly shardsOf = new Map<string, Set<string>>();
  /** Shards with a hint. */
  private readonly hinted = new Set<string>();
  private generation = 0;
  private owned = 0;

  /** Shards with an owner. */
  get count(): number {
    return this.owned;
  }

  /** Gameservers alone. */
  get nodes(): ReadonlyMap<string, Seen<NodeRecord>> {
    return this.known;
  }

  placementOf(shard: string): Placement | undefined {
    return this.shards.get(shard)?.placement;
  }

  /** When the world was made that the owner's record is of. */
  worldOf(shard: string): Revision | undefined {
    return this.shards.get(shard)?.owner.record?.world;
  }

  /** All of them, at a price. */
  list(): readonly Placement[] {
    return [...this.shards.values()].flatMap(({ placement }) => placement ?? []);
  }

  /** Where a gameserver takes links; undefined when it is not known, or not there. `host:port`. */
  addressOf(node: string): string | undefined {
    const record = this.known.get(node)?.record;
    return record === undefined || isAway(record) ? undefined : record.address;
  }

  /** The newest revision that was seen of a shard's owner key; undefined when none was, or it was removed. */
  floorOf(shard: string): Revision | undefined {
    return this.shards.get(shard)?.floor;
  }

  /** The owner keys that were seen, each with its newest revision. */
  *keys(): Iterable<[key: string, modified: Revision]> {
    for (const [shard, { floor }] of this.shards) yield [ownerKey(shard), floor];
  }

  // The records. What is older than what is known is for the caller to leave out where it is put.

  putNode(node: string, state: Seen<NodeRecord>, found: Found): void {
    const before = this.known.get(node);
    this.known.set(node, state);
    this.nodeChanged(node, before?.record, found);
  }

  removeNode(node: string, modified: Revision, found: Found): void {
    const before = this.known.get(node);
    if (before === undefined || modified < before.modified) return;
    this.known.delete(node);
    this.nodeChanged(node, before.record, found);
  }

  put(shard: string, owner: Seen<OwnerRecord>, modified: Revision, found: Found): void {
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

  remove(shard: string, modified: Revision, found: Found): void {
    if (modified < (this.floorOf(shard) ?? Number.POSITIVE_INFINITY)) return;
    this.put(shard, ABSENT, modified, found);
    // Its floor with it: within a watch states do not go back, and a reading is never behind a watch.
    this.shards.delete(shard);
  }

  /** A restore from a backup began another generation: what was owned in earlier ones is owned no more. */
  reached(revision: Revision, found: Found): void {
    const generation = generationOf(revision);
    if (generation <= this.generation) return;
    this.generation = generation;
    for (const shard of this.shards.keys()) this.settle(shard, found);
  }

  // What nodes say of themselves.

  get hasClaims(): boolean {
    return this.hinted.size > 0;
  }

  /** Those that no state has confirmed yet. */
  get claims(): readonly OwnerClaim[] {
    return [...this.hinted].flatMap((shard) => {
      const epoch = this.shards.get(shard)?.hint?.epoch;
      return epoch === undefined ? [] : [{ shard, epoch }];
    });
  }

  /** A node says that it became the owner. */
  claimed({ shard, node, epoch }: Placement, found: Found): void {
    const entry = this.shards.get(shard);
    // Of a shard that was not heard of it is not known whose it may be.
    if (entry?.owner.record === undefined || epoch <= Math.max(entry.floor, entry.hint?.epoch ?? 0))
      return;
    entry.hint = { node, epoch };
    this.hinted.add(shard);
    this.shardSet(node).add(shard);
    this.settle(shard, found);
  }

  /** All changes of owners up to `revision` were told: claims up to it without a record are not true. */
  passed(revision: Revision, found: Found): void {
    for (const shard of [...this.hinted]) {
      const entry = this.shards.get(shard);
      if (entry?.hint === undefined || entry.hint.epoch > revision) continue;
      this.dropHint(shard, entry);
      this.settle(shard, found);
    }
  }

  /** The store was at `revision` after these claims were made: higher ones are false. Returns whose they were. */
  disprove(claims: readonly OwnerClaim[], revision: Revision, found: Found): string[] {
    const liars: string[] = [];
    for (const { shard, epoch } of claims) {
      const entry = this.shards.get(shard);
      if (entry?.hint?.epoch !== epoch || epoch <= revision) continue;
      liars.push(entry.hint.node);
      found.gone.add(entry.hint.node);
      this.dropHint(shard, entry);
      this.settle(shard, found);
    }
    return liars;
  }

  private dropHint(shard: string, entry: Shard): void {
    const { hint, owner } = entry;
    if (hint === undefined) return;
    entry.hint = undefined;
    this.hinted.delete(shard);
    if (hint.node !== owner.record?.node) this.shardsOf.get(hint.node)?.delete(shard);
  }

  private nodeChanged(node: string, before: NodeRecord | undefined, found: Found): void {
    const now = this.addressOf(node);
    if (before !== undefined && !isAway(before) && now !== before.address) found.gone.add(node);
    for (const shard of this.shardsOf.get(node) ?? []) this.settle(shard, found);
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
    return isOwned(owner, this.known.get(node) ?? ABSENT, this.generation)
      ? { node, epoch: owner.modified }
      : undefined;
  }
}

/** Whether there is nothing behind a node's address. */
function isAway({ state }: NodeRecord): boolean {
  return state === "lost" || state === "stopped";
}
