import type { Placement, PlacementView } from "@atlasnet/core";

/** The placements of a process that is its own control plane: its gameserver owns every shard. */
export class LocalPlacements implements PlacementView {
  readonly complete = true;
  private readonly byWorld = new Map<string, Placement>();
  private readonly watchers = new Set<() => void>();

  lookup(world: string): Placement | undefined {
    return this.byWorld.get(world);
  }

  list(): readonly Placement[] {
    return [...this.byWorld.values()];
  }

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  /** A shard is owned at a (new) epoch. */
  place(placement: Placement): void {
    this.byWorld.set(placement.world, placement);
    for (const changed of [...this.watchers]) changed();
  }
}
