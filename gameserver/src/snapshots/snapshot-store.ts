import {
  type ArtifactKind,
  type ArtifactStore,
  openArtifactStore,
  parseStoreLocation,
  placeWithin,
  type StoreEnvironment,
  type StoreLocation,
} from "@atlasnet/artifacts";
import { MAX_SNAPSHOT_BYTES } from "@atlasnet/core";
import { folderName } from "../durability/file-names.ts";

/** Snapshots of shards in the store that all nodes reach. */
export const SNAPSHOTS: ArtifactKind = {
  noun: "snapshot",
  suffix: ".snapshot",
  maxBytes: MAX_SNAPSHOT_BYTES,
  hints: {
    wrong: "Nothing was stored; it is sent again.",
    tooLarge: "It stays on the disk of its node; elsewhere the world goes on from an older one.",
    missing: "Put it back from a copy of the store, or see *Snapshots* in docs/operations.md.",
    tooMany: "Nobody needs so many: look who writes into the store.",
    damaged: (place) =>
      `Put ${place} back from a copy of the store, or see *Snapshots* in docs/operations.md.`,
  },
};

/** The store as one shard sees it: a place of its own, where only its owners write. */
export type StoreOfShard = (world: string, shard: string) => ArtifactStore;

/** @throws ArtifactError "bad-artifact-store" for an address that cannot be read */
export function openSnapshotStore(place: string, env: StoreEnvironment): StoreOfShard {
  const what = "snapshot.store";
  const location = parseStoreLocation(place, { workingDir: process.cwd(), env, what });
  return (world, shard) =>
    openArtifactStore(placeWithin(location, placeOf(location, world, shard)), SNAPSHOTS);
}

/** Some file systems do not tell upper from lower case; buckets do. */
function placeOf({ type }: StoreLocation, world: string, shard: string): readonly string[] {
  const index = shard.slice(world.length + 1);
  return [type === "directory" ? folderName(world) : world, index];
}
