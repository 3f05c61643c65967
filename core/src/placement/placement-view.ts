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
  /** The placement of a world's first shard; undefined when there is no such world. */
  lookup(world: string): Placement | undefined;
  list(): readonly Placement[];
  /** Calls back after every change; returns a function that ends it. */
  watch(changed: () => void): () => void;
}
