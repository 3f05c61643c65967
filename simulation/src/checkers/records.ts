import { decodeRecord, type KeyValue, type RecordKind, type Records } from "@atlasnet/core";

/**
 * Reads records of a kind, each once: checkers look at the same few for every message. Undefined for what is not there or
 * cannot be read.
 */
export function reader<K extends RecordKind>(
  kind: K,
): (item: KeyValue | undefined) => Records[K] | undefined {
  const known = new WeakMap<Uint8Array, Records[K]>();
  return (item) => {
    if (item === undefined) return undefined;
    const before = known.get(item.value);
    if (before !== undefined) return before;
    const decoded = decodeRecord(kind, item.value);
    if (!decoded.ok) return undefined;
    known.set(item.value, decoded.record);
    return decoded.record;
  };
}

export const ownerOf = reader("owner");
export const nodeOf = reader("node");
export const migrationOf = reader("migration");
export const mirrorOf = reader("mirror");
export const movedOf = reader("moved");
