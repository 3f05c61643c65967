import { UpstreamKind } from "@atlasnet/core";
import type { UpstreamItem } from "./attachment-effects.ts";

/** What one item costs beside its payload. */
const ITEM_OVERHEAD_BYTES = 64;

/** What a client says while there is no shard to say it to, in order. Whoever keeps it bounds it, by `bytes`. */
export class KeptUpstream {
  bytes = 0;
  private items: UpstreamItem[] = [];

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  /** Payloads are copied: they may be views into a receive buffer, which is used again. */
  add(item: UpstreamItem): void {
    this.items.push({ ...item, payload: new Uint8Array(item.payload) });
    this.bytes += costOf(item);
  }

  /** A shard gives back what it was not told. That came before all that is here. */
  putBack(items: readonly UpstreamItem[]): void {
    this.items = [...items, ...this.items];
    for (const item of items) this.bytes += costOf(item);
  }

  /** Messages of a timeline that is over are dropped; inputs are worth it on any. Returns how many were. */
  dropMessages(): number {
    const before = this.items.length;
    this.items = this.items.filter(({ kind }) => kind !== UpstreamKind.message);
    this.bytes = this.items.reduce((sum, item) => sum + costOf(item), 0);
    return before - this.items.length;
  }

  /** All of it, which is not kept any more. */
  take(): readonly UpstreamItem[] {
    const { items } = this;
    this.items = [];
    this.bytes = 0;
    return items;
  }
}

function costOf({ payload }: UpstreamItem): number {
  return payload.length + ITEM_OVERHEAD_BYTES;
}
