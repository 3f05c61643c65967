import { encodeRecord } from "./record-codec.ts";
import { ownerKey, snapshotKey } from "./record-keys.ts";
import type { Seen, SnapshotRecord } from "./records.ts";
import { modifiedIs, type TxnParts, when } from "./txn-parts.ts";

/**
 * The transaction that records a shard's newest snapshot, once it is whole in the store:
 *
 * 1. It holds only while the shard is owned at the epoch that the record names.
 * 2. It names the record that it replaces: one whose answer was lost, and that comes late, does not take the
 *    place of a newer one.
 */
export function recordSnapshot(
  shard: string,
  before: Seen<SnapshotRecord>,
  record: SnapshotRecord,
): TxnParts {
  return when(
    [modifiedIs(ownerKey(shard), record.epoch), modifiedIs(snapshotKey(shard), before.modified)],
    [{ type: "put", key: snapshotKey(shard), value: encodeRecord("snapshot", record) }],
  );
}
