import type { Change, KeyValue, Revision } from "@atlasnet/core";
import { ITEM_OVERHEAD_BYTES } from "./limits.ts";
import { OrderedMap, type OrderedView } from "./ordered-map.ts";
import { hashItem, StateHash } from "./state-hash.ts";

/** What an item counts against the quota; of its key the letters are counted, not their bytes. */
export function itemBytes(key: string, value: Uint8Array): number {
  return key.length + value.length + ITEM_OVERHEAD_BYTES;
}

/** The items of a store with the sums that go along with them. */
export class Items {
  private readonly map = new OrderedMap<KeyValue>();
  private readonly sum = new StateHash();
  private total = 0;
  private highest: Revision = 0;

  get size(): number {
    return this.map.size;
  }

  get bytes(): number {
    return this.total;
  }

  /** Of the items alone. */
  get hash(): string {
    return this.sum.toString();
  }

  /** The highest revision that an item came with, also of those that are gone. */
  get newest(): Revision {
    return this.highest;
  }

  get(key: string): KeyValue | undefined {
    return this.map.get(key);
  }

  visit(from: string, fn: (item: KeyValue) => boolean): void {
    this.map.visit(from, fn);
  }

  put(item: KeyValue): void {
    const old = this.map.set(item.key, item);
    if (old !== undefined) this.subtract(old);
    this.sum.add(hashItem(item));
    this.highest = Math.max(this.highest, item.modified, item.created);
    this.total += itemBytes(item.key, item.value);
  }

  delete(key: string): void {
    const old = this.map.delete(key);
    if (old !== undefined) this.subtract(old);
  }

  apply(change: Change): void {
    if (change.type === "put") this.put(change.item);
    else this.delete(change.key);
  }

  freeze(): OrderedView<KeyValue> {
    return this.map.freeze();
  }

  private subtract(item: KeyValue): void {
    this.sum.remove(hashItem(item));
    this.total -= itemBytes(item.key, item.value);
  }
}
