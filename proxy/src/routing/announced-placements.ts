import type { HostedShard, Placement, PlacementChanges, PlacementView } from "@atlasnet/core";

/** Two nodes say that they have the same world: a fault of the configuration. */
export interface Conflict {
  world: string;
  /** Has it, as far as this proxy is concerned. */
  holder: string;
  rival: string;
}

/**
 * Placements as the gameservers themselves announce them, where there is no control plane. Pure.
 *
 * 1. A node's list replaces its former one, whatever its epochs: lists come in order.
 * 2. The end of a link takes nothing away: its players wait for the same node.
 * 3. A world announced by two nodes stays with the one that had it while that one announces it.
 * 4. What a node says of a move (`placed`) is not listened to: without a control plane nothing moves, and lists say all.
 */
export class AnnouncedPlacements implements PlacementView {
  private readonly unheard: Set<string>;
  /** By node, then by world. As many as the links allow (MAX_HOSTED_SHARDS per peer). */
  private readonly claims = new Map<string, ReadonlyMap<string, readonly HostedShard[]>>();
  private readonly holders = new Map<string, string>();
  /** Conflicts that were told, by world: pairs of nodes. */
  private readonly told = new Map<string, ReadonlySet<string>>();
  private readonly watchers = new Set<(changes: PlacementChanges) => void>();
  /** What `list` says, by shard, until the next list comes. */
  private byShard: ReadonlyMap<string, Placement> | undefined;

  /** `peers`: the nodes whose word is needed before a world is said to be unknown. */
  constructor(options: { peers: readonly string[] }) {
    this.unheard = new Set(options.peers);
  }

  get complete(): boolean {
    return this.unheard.size === 0;
  }

  /** Peers that have not said yet what they have. */
  get awaited(): readonly string[] {
    return [...this.unheard];
  }

  lookup(world: string): Placement | undefined {
    const node = this.holders.get(world);
    if (node === undefined) return undefined;
    const [first] = this.claims.get(node)?.get(world) ?? [];
    return first === undefined ? undefined : { ...first, node };
  }

  list(): readonly Placement[] {
    return [...this.holders].flatMap(([world, node]) =>
      (this.claims.get(node)?.get(world) ?? []).map((shard) => ({ ...shard, node })),
    );
  }

  placementOf(shard: string): Placement | undefined {
    this.byShard ??= new Map(this.list().map((placement) => [placement.shard, placement]));
    return this.byShard.get(shard);
  }

  /** What nobody announced is not known to exist. */
  expects(): boolean {
    return false;
  }

  watch(changed: (changes: PlacementChanges) => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  /** A node says what it has: the whole list. Returns conflicts that were not told before. */
  announced(node: string, shards: readonly HostedShard[]): readonly Conflict[] {
    const before = this.claims.get(node);
    const claim = new Map<string, HostedShard[]>();
    for (const shard of shards) {
      const of = claim.get(shard.world);
      if (of === undefined) claim.set(shard.world, [shard]);
      else of.push(shard);
    }
    this.claims.set(node, claim);
    this.unheard.delete(node);
    const worlds = new Set([...claim.keys(), ...(before?.keys() ?? [])]);
    const conflicts = [...worlds].flatMap((world) => this.settle(world));
    this.byShard = undefined;
    const named = [...shards, ...[...(before?.values() ?? [])].flat()];
    const changes: PlacementChanges = {
      shards: [...new Set(named.map(({ shard }) => shard))],
      worlds: "all",
      gone: [],
    };
    for (const changed of [...this.watchers]) changed(changes);
    return conflicts;
  }

  /** Finds who has a world now. */
  private settle(world: string): Conflict[] {
    const claimants = [...this.claims.keys()].filter((node) => this.claims.get(node)?.has(world));
    const before = this.holders.get(world);
    const holder = before !== undefined && claimants.includes(before) ? before : claimants[0];
    if (holder === undefined) this.holders.delete(world);
    else this.holders.set(world, holder);
    const conflicts = claimants.flatMap((rival) =>
      holder === undefined || rival === holder ? [] : [{ world, holder, rival }],
    );
    const told = this.told.get(world);
    if (conflicts.length === 0) this.told.delete(world);
    else this.told.set(world, new Set(conflicts.map(pairOf)));
    return conflicts.filter((conflict) => told?.has(pairOf(conflict)) !== true);
  }
}

function pairOf({ holder, rival }: Conflict): string {
  return `${holder}\n${rival}`;
}
