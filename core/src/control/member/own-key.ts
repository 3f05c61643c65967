import { type ControlStore, generationOf, type Revision } from "../control-store.ts";
import { decodeRecord } from "../record-codec.ts";
import { nodeKey } from "../record-keys.ts";
import { ABSENT, type NodeRecord, type Seen, seen } from "../records.ts";

/** A node's record as the store had it. */
export interface OwnRecord {
  /** A record that cannot be read counts as none: whoever registers writes over it. */
  readonly before: Seen<NodeRecord>;
  /** Of the store. */
  readonly revision: Revision;
  readonly generation: number;
}

/** @throws ControlError */
export async function readOwnRecord(store: ControlStore, node: string): Promise<OwnRecord> {
  const { items, revision } = await store.range({ key: nodeKey(node) });
  const [item] = items;
  const generation = generationOf(revision);
  if (item === undefined) return { before: ABSENT, revision, generation };
  const { created, modified } = item;
  const decoded = decodeRecord("node", item.value);
  const before = decoded.ok
    ? seen(decoded.record, { created, modified })
    : { record: undefined, created, modified };
  return { before, revision, generation };
}
