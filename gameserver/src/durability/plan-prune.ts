import type { ShardFiles } from "./file-names.ts";
import { comparePositions } from "./position.ts";

/** Damaged files kept for a person to look at; the oldest go first. */
export const MAX_DAMAGED_FILES = 10;

/**
 * Names to remove once a new snapshot is durable: snapshots past the newest `keepSnapshots`, the
 * journals that end before the oldest one kept, damaged files past MAX_DAMAGED_FILES, and replicas. The
 * journals between the snapshots stay, so that an older snapshot reaches the newest state, too. Pure.
 */
export function planPrune(files: ShardFiles, keepSnapshots: number): string[] {
  const kept = files.snapshots.slice(-keepSnapshots);
  const oldest = kept[0];
  if (oldest === undefined) return [];
  return [
    ...files.snapshots.slice(0, -keepSnapshots).map((file) => file.name),
    ...files.journals.filter((j) => comparePositions(j, oldest) < 0).map((file) => file.name),
    ...files.damaged.slice(0, -MAX_DAMAGED_FILES),
    ...files.replicas,
  ];
}
