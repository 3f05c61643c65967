import {
  decodeRecord,
  type KeyValue,
  type MirrorRecord,
  mirroredEpoch,
  type OwnerRecord,
  type RecordKind,
  type Records,
} from "@atlasnet/core";

/**
 * Reads records of a kind, each once: checkers look at the same few for every message. Undefined for what is not there or
 * cannot be read.
 */
export function reader<K extends RecordKind>(
  kind: K,
): (item: Pick<KeyValue, "value"> | undefined) => Records[K] | undefined {
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
export const snapshotOf = reader("snapshot");
export const worldOf = reader("world");

/** The mirror in sync of an ownership, if it has one: only that one may go on with it when the owner is gone. */
export function mirrorInSync(
  owner: KeyValue | undefined,
  mirror: KeyValue | undefined,
):
  | { readonly owner: OwnerRecord; readonly mirror: MirrorRecord; readonly epoch: number }
  | undefined {
  const [owned, record] = [ownerOf(owner), mirrorOf(mirror)];
  if (owner === undefined || owned?.state !== "owned") return undefined;
  if (record?.state !== "in-sync" || mirror === undefined) return undefined;
  if (mirroredEpoch({ record, modified: mirror.modified }) !== owner.modified) return undefined;
  return { owner: owned, mirror: record, epoch: owner.modified };
}
