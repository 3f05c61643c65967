/** Who owns a shard, as far as this process knows. The control plane's record is the truth. */
export interface Placement {
  world: string;
  shard: string;
  /** The node id of the owning gameserver. */
  node: string;
  epoch: number;
}

/** What changed since watchers were called before. What is named here may be as it was; nothing is left out. */
export interface PlacementChanges {
  readonly shards: readonly string[];
  /** Worlds that `lookup`, `expects` or `whyNot` answers otherwise for. */
  readonly worlds: readonly string[] | "all";
  /** Nodes that nobody can go to any more, or not where they were. */
  readonly gone: readonly string[];
}

/** A watched copy of the placements. */
export interface PlacementView {
  /**
   * False while not everything was heard yet: a world that is not listed may be somewhere all the same.
   * Watchers are called when it becomes true.
   */
  readonly complete: boolean;
  /** The placement of a world's first shard; undefined when none is known. */
  lookup(world: string): Placement | undefined;
  /** Who owns a shard; undefined while nobody does. */
  placementOf(shard: string): Placement | undefined;
  /** Whether a world without a placement exists all the same, so that whoever wants there waits. */
  expects(world: string): boolean;
  /**
   * Why nobody need wait for a world that has no placement, where that is certain: it is not to run, or was
   * removed. Undefined, or not there at all: it may come yet.
   */
  whyNot?(world: string): "disabled" | "removed" | undefined;
  /** The node that a shard is being moved to, while it is; watchers hear of the shard when that changes. */
  targetOf?(shard: string): string | undefined;
  /** The node that mirrors it in sync, and takes it over when its owner dies. */
  mirrorOf?(shard: string): string | undefined;
  /**
   * A node says itself that it has become a shard's owner. A hint, which may only raise the epoch: what this view
   * is kept up to date by goes before it. Not there where nothing moves.
   */
  placed?(placement: Placement): void;
  /** Calls back after every change; returns a function that ends it. */
  watch(changed: (changes: PlacementChanges) => void): () => void;
}
