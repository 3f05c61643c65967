import type { CheckpointRef } from "./record.ts";

/** What is being written; a start removes what a crash left of it. */
const TEMPORARY = ".tmp";
const SEGMENT = /^segment-(\d{10})\.wal$/;
const CHECKPOINT = /^checkpoint-(\d{1,16})-([0-9a-f]{8})\.ckpt$/;

export function segmentName(number: number): string {
  return `segment-${String(number).padStart(10, "0")}.wal`;
}

export function checkpointName({ index, id }: Pick<CheckpointRef, "index" | "id">): string {
  return `checkpoint-${index}-${id.toString(16).padStart(8, "0")}.ckpt`;
}

export function temporaryName(name: string): string {
  return `${name}${TEMPORARY}`;
}

export interface LogFiles {
  /** By number, the oldest first. */
  readonly segments: readonly { readonly name: string; readonly number: number }[];
  readonly checkpoints: readonly string[];
  readonly temporary: readonly string[];
}

/** Sorts the names in a log's folder; names that are none of ours (the lock) are left out. */
export function sortLogFiles(names: readonly string[]): LogFiles {
  const segments = names.flatMap((name) => {
    const number = SEGMENT.exec(name)?.[1];
    return number === undefined ? [] : [{ name, number: Number(number) }];
  });
  return {
    segments: segments.sort((a, b) => a.number - b.number),
    checkpoints: names.filter((name) => CHECKPOINT.test(name)),
    temporary: names.filter((name) => /^(segment|checkpoint)-.*\.tmp$/.test(name)),
  };
}
