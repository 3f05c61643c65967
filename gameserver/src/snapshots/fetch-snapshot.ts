import { join } from "node:path";
import { type ArtifactStore, digestText } from "@atlasnet/artifacts";
import { type Disk, OperatingError, type SnapshotFacts } from "@atlasnet/core";
import { removeIfThere } from "../durability/atomic-write.ts";
import { FETCHED_FILE } from "../durability/file-names.ts";

/**
 * Brings a recorded snapshot into a shard's folder, as FETCHED_FILE; there whole and durable when it resolves.
 * @throws ArtifactError "artifact-not-found", "artifact-damaged", and what the store says; DiskError
 */
export async function fetchSnapshot(
  dir: string,
  { digest, bytes }: SnapshotFacts,
  { store, disk }: { readonly store: Pick<ArtifactStore, "get">; readonly disk: Disk },
): Promise<void> {
  const path = join(dir, FETCHED_FILE);
  await disk.makeDir(dir);
  await removeIfThere(disk, path);
  try {
    const pieces = await store.get(digestText(digest));
    const file = await disk.open(path);
    let length = 0;
    try {
      for await (const piece of pieces) {
        length += piece.length;
        await file.write(piece);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (length !== bytes)
      throw new OperatingError(
        "bad-snapshot",
        `snapshot ${digestText(digest)} has ${length} bytes, and ${bytes} were recorded`,
      );
    await disk.syncDir(dir);
  } catch (error) {
    await removeIfThere(disk, path);
    throw error;
  }
}
