import {
  type Compare,
  decodeRecord,
  type KeyValue,
  NODES,
  type Operation,
  parseRecordKey,
  type TxnRequest,
} from "@atlasnet/core";
import type { Items } from "./items.ts";

/**
 * From a restore on this key stands in the store until the leases of before have run out: the backup does
 * not know the last owners of shards, and those may act for as long. Its value is the length of the longest
 * lease of then, in ms, as decimal text. While it is there no claim is applied; the leader deletes it.
 */
export const RESTORE_FENCE = "restore/longest-lease";

/** What is put into the state that a restore makes; undefined: neither state knows of a node. */
export function fenceOf(before: Items, restored: Items, revision: number): KeyValue | undefined {
  const ms = Math.max(longestLease(before), longestLease(restored));
  if (ms === 0) return undefined;
  const value = new TextEncoder().encode(String(ms));
  return { key: RESTORE_FENCE, value, created: revision, modified: revision, version: 1 };
}

/** In ms; 0 for what is no fence. */
export function fenceMs({ value }: Pick<KeyValue, "value">): number {
  const text = new TextDecoder().decode(value);
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/**
 * The compares of a transaction as it goes into the log. Claims of shards fail while the fence stands. So does
 * one that was taken in before a restore and comes after it in the log.
 */
export function fenced({ compare, then }: TxnRequest): readonly Compare[] {
  if (!then.some(claims)) return compare;
  return [...compare, { type: "modified", key: RESTORE_FENCE, is: "equal", revision: 0 }];
}

/** Whether it makes somebody the owner of a shard; releases write the same key. */
function claims(operation: Operation): boolean {
  if (operation.type !== "put" || parseRecordKey(operation.key)?.kind !== "owner") return false;
  const decoded = decodeRecord("owner", operation.value);
  return decoded.ok && decoded.record.state === "owned";
}

function longestLease(items: Items): number {
  const fence = items.get(RESTORE_FENCE);
  let longest = fence === undefined ? 0 : fenceMs(fence);
  items.visit(NODES, ({ key, value }) => {
    if (!key.startsWith(NODES)) return false;
    const decoded = decodeRecord("node", value);
    if (decoded.ok) longest = Math.max(longest, decoded.record.leaseMs);
    return true;
  });
  return longest;
}
