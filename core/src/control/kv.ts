import { textBytes } from "../wire/text.ts";
import { ControlError } from "./control-error.ts";
import type {
  Change,
  Compare,
  ControlStore,
  KeyValue,
  Revision,
  Watch,
  WatchEvents,
} from "./control-store.ts";

/** Bounds of the key-value stores for worlds; below those of the control store, which they share. */
export const MAX_KV_KEY_BYTES = 256;
export const MAX_KV_VALUE_BYTES = 64 * 1024;
export const MAX_KV_LIST_ITEMS = 1000;

/** `cluster`: one for all. `node`: one for each gameserver, for what belongs to a machine. */
export type KvScope =
  | { readonly type: "cluster" }
  | { readonly type: "node"; readonly node: string };

export interface KvItem {
  readonly key: string;
  readonly value: Uint8Array;
  /** Changes with every put; for `expect`. */
  readonly revision: Revision;
}

export interface KvWriteOptions {
  /** The key's revision has to be this one; 0: it is not there. */
  readonly expect?: Revision;
  /** What else must hold: that the writer still owns its shard, for one. */
  readonly assuming?: readonly Compare[];
  /** See TxnRequest: a retry with the same id writes once. */
  readonly id?: string;
}

/** "conflict": something that was expected or assumed does not hold; nothing was written. */
export type KvWritten =
  | { readonly ok: true; readonly revision: Revision }
  | { readonly ok: false; readonly code: "conflict" };

export interface KvList {
  readonly items: readonly KvItem[];
  /** There are more behind the last one: go on with `after`. */
  readonly more: boolean;
  /** To watch from here. */
  readonly revision: Revision;
}

export interface KvChange {
  readonly key: string;
  /** Undefined: it was deleted. */
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
}

export interface KvWatchEvents extends Omit<WatchEvents, "changed"> {
  changed(event: { readonly revision: Revision; readonly changes: readonly KvChange[] }): void;
}

/**
 * A key-value store for worlds, over a part of the control store: `kv/cluster/…` or `kv/node/<node>/…`. Keys
 * are those below it. All calls fail with ControlError as the control store does; keys and values out of
 * bounds with "bad-request" and "too-large".
 */
export class KeyValueStore {
  private readonly prefix: string;
  private readonly store: ControlStore;

  constructor(scope: KvScope, { store }: { store: ControlStore }) {
    if (scope.type === "node" && (scope.node === "" || scope.node.includes("/")))
      throw new ControlError("bad-request", `kv: ${scope.node} is no name of a node`);
    this.prefix = scope.type === "cluster" ? "kv/cluster/" : `kv/node/${scope.node}/`;
    this.store = store;
  }

  /** Linearizable. Undefined: there is no such key. */
  async get(key: string): Promise<KvItem | undefined> {
    const { items } = await this.store.range({ key: this.full(key) });
    const [item] = items;
    return item && this.item(item);
  }

  async put(key: string, value: Uint8Array, options: KvWriteOptions = {}): Promise<KvWritten> {
    const full = this.full(key);
    if (value.length > MAX_KV_VALUE_BYTES)
      throw new ControlError(
        "too-large",
        `kv: a value of ${value.length} bytes for ${key}; at most ${MAX_KV_VALUE_BYTES} are allowed`,
      );
    return this.write(full, { type: "put", key: full, value }, options);
  }

  /** A key that is not there is deleted, too, unless `expect` says otherwise. */
  async delete(key: string, options: KvWriteOptions = {}): Promise<KvWritten> {
    const full = this.full(key);
    return this.write(full, { type: "delete", key: full }, options);
  }

  /** In the order of keys. */
  async list(
    prefix = "",
    { limit = MAX_KV_LIST_ITEMS, after }: { limit?: number; after?: string } = {},
  ): Promise<KvList> {
    const { items, more, revision } = await this.store.range({
      prefix: this.prefix + prefix,
      limit: Math.min(limit, MAX_KV_LIST_ITEMS),
      ...(after !== undefined && { after: this.prefix + after }),
    });
    return { items: items.map((item) => this.item(item)), more, revision };
  }

  /** States of the keys below `prefix` behind a revision; see ControlStore.watch. */
  watch(prefix: string, after: Revision | undefined, events: KvWatchEvents): Watch {
    return this.store.watch(
      { prefix: this.prefix + prefix, ...(after !== undefined && { after }) },
      {
        changed: ({ revision, changes }) =>
          events.changed({ revision, changes: changes.map((change) => this.change(change)) }),
        compacted: (event) => events.compacted(event),
        failed: (error) => events.failed(error),
      },
    );
  }

  private async write(
    key: string,
    operation: { type: "put"; key: string; value: Uint8Array } | { type: "delete"; key: string },
    { expect, assuming = [], id }: KvWriteOptions,
  ): Promise<KvWritten> {
    const expected: Compare[] =
      expect === undefined ? [] : [{ type: "modified", key, is: "equal", revision: expect }];
    const { succeeded, revision } = await this.store.txn({
      ...(id !== undefined && { id }),
      compare: [...expected, ...assuming],
      then: [operation],
    });
    return succeeded ? { ok: true, revision } : { ok: false, code: "conflict" };
  }

  private full(key: string): string {
    if (key === "" || textBytes(key) > MAX_KV_KEY_BYTES)
      throw new ControlError(
        "bad-request",
        `kv: a key of 1 to ${MAX_KV_KEY_BYTES} bytes is needed, not of ${textBytes(key)}`,
      );
    return this.prefix + key;
  }

  private item({ key, value, modified }: KeyValue): KvItem {
    return { key: key.slice(this.prefix.length), value, revision: modified };
  }

  private change(change: Change): KvChange {
    return change.type === "put"
      ? this.item(change.item)
      : {
          key: change.key.slice(this.prefix.length),
          value: undefined,
          revision: change.modified,
        };
  }
}
