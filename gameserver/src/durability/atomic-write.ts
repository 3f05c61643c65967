import { join } from "node:path";
import type { Disk } from "@atlasnet/core";
import { temporaryName } from "./file-names.ts";

/**
 * Writes a file so that it is there whole and durable, or not at all: under a temporary name,
 * synced, renamed, and the folder synced. After an error the temporary file is removed where
 * possible, because the usual error is a full disk. @throws DiskError
 */
export async function writeAtomically(
  disk: Disk,
  dir: string,
  name: string,
  pieces: Iterable<Uint8Array>,
): Promise<void> {
  const temporary = join(dir, temporaryName(name));
  await removeIfThere(disk, temporary);
  try {
    const file = await disk.open(temporary);
    try {
      for (const piece of pieces) await file.write(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporary, join(dir, name));
  } catch (error) {
    await removeIfThere(disk, temporary).catch((cause: unknown) => {
      throw new AggregateError([error, cause], `${temporary} could not be written nor removed`);
    });
    throw error;
  }
  await disk.syncDir(dir);
}

/** Removes a file; content when there is none. */
export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}
