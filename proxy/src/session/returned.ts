import { readUpstreamEntry, UpstreamKind } from "@atlasnet/core";
import { ByteReader } from "@atlasnet/world";
import type { UpstreamItem } from "./attachment-effects.ts";

/** What a client wanted to tell a shard and what did not go there: it is the client's again, for the next owner. */
export interface Returned {
  /** Messages and inputs, in the order they came. */
  readonly items: readonly UpstreamItem[];
  /** It wanted to leave behind them. */
  readonly leave: boolean;
}

export const NOTHING_RETURNED: Returned = { items: [], leave: false };

/**
 * The messages and inputs of a batch that was not sent, by attachment. What else it has is said anew by every attach.
 * Payloads are views into the batch.
 */
export function returnedItems(batch: Uint8Array): ReadonlyMap<number, readonly UpstreamItem[]> {
  const items = new Map<number, UpstreamItem[]>();
  const reader = new ByteReader(batch);
  while (reader.remaining > 0) {
    const { attach, ...item } = readUpstreamEntry(reader);
    if (item.kind !== UpstreamKind.message && item.kind !== UpstreamKind.input) continue;
    const of = items.get(attach);
    if (of === undefined) items.set(attach, [item]);
    else of.push(item);
  }
  return items;
}
