/** Who owns a shard, as far as this process knows. The control plane's record is the truth. */
export interface Placement {
  world: string;
  shard: string;
  /** The node id of the owning gameserver. */
  node: string;
  epoch: number;
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
  list(): readonly Placement[];
  /** Calls back after every change; returns a function that ends it. */
  watch(changed: () => void): () => void;
}
