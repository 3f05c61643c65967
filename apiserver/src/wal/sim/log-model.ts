import { createHash } from "node:crypto";
import type { Entry, HardState } from "../../raft/core/types.ts";

/**
 * The whole log as a simulation remembers it: for each index, a hash over everything up to it. Two
 * logs are the same where their hashes are.
 */
export interface LogVersion {
  readonly hardState: HardState;
  readonly lastIndex: number;
  readonly hashes: ReadonlyMap<number, string>;
}

export const EMPTY_LOG: LogVersion = {
  hardState: { term: 0, vote: "" },
  lastIndex: 0,
  hashes: new Map([[0, "empty"]]),
};

export function nextHash(hash: string, entry: Entry): string {
  const { term, index, type, data } = entry;
  return createHash("sha1").update(`${hash} ${term} ${index} ${type} `).update(data).digest("hex");
}

/** The state of which a checkpoint at a hash consists. */
export function stateOf(hash: string, bytes: number): Uint8Array {
  return new TextEncoder().encode(hash.repeat(Math.ceil(bytes / hash.length)));
}

/** The hash of a state. @throws Error when it is none. */
export function hashOf(state: Uint8Array): string {
  const text = new TextDecoder().decode(state);
  const hash = text.startsWith("empty") ? "empty" : text.slice(0, 40);
  if (hash.repeat(text.length / hash.length) !== text) throw new Error("no state of a checkpoint");
  return hash;
}

export function withEntries(version: LogVersion, entries: readonly Entry[]): LogVersion {
  const hashes = new Map(version.hashes);
  let { lastIndex } = version;
  for (const entry of entries) {
    hashes.set(entry.index, nextHash(hashes.get(lastIndex) ?? "", entry));
    lastIndex = entry.index;
  }
  return { ...version, lastIndex, hashes };
}

export function truncated(version: LogVersion, from: number): LogVersion {
  const hashes = new Map([...version.hashes].filter(([index]) => index < from));
  return { ...version, lastIndex: from - 1, hashes };
}

/** A checkpoint beyond the end. */
export function replaced(version: LogVersion, index: number, hash: string): LogVersion {
  return { ...version, lastIndex: index, hashes: new Map([[index, hash]]) };
}
