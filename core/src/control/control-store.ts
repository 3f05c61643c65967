/**
 * The control store port: where the cluster keeps what it decided. The shapes are etcd's: keys in order,
 * revisions, transactions that compare first, watches. Behind it stand the replicated store of the
 * apiservers and, for those who run one, Consul; both pass the suite in `@atlasnet/core/testing`.
 *
 * 1. A revision counts transactions that changed something; its high part is the generation, which a restore
 *    from a backup raises (`generationOf`). Revisions never repeat and never go back.
 * 2. `txn` is all or nothing, and linearizable. An `id` has one answer: a retry with the same one applies
 *    nothing and gets it, also when the answer was an error that was decided ("quota", "no-lease"…). So a
 *    new attempt takes a new id. Ids are remembered for a bounded number of transactions; whoever retries
 *    gives up within MAX_RETRY_MS.
 * 3. A linearizable `range` shows every transaction that was answered before it was asked for.
 * 4. A watch delivers states in the order of their revisions, each key's newest at least, may skip
 *    intermediate ones, never goes back, and says `compacted` when it cannot go on without a gap.
 * 5. Keys are ordered as JavaScript orders strings (by UTF-16 units); they are well-formed text without
 *    control characters.
 * 6. Values are not copied: neither the store nor its users change the bytes of one they gave or got.
 */
export interface ControlStore {
  /** @throws ControlError */
  range(request: RangeRequest): Promise<RangeResult>;
  /** @throws ControlError; with "timeout" and "no-quorum" the transaction may have been applied or be so yet. */
  txn(request: TxnRequest): Promise<TxnResult>;
  /** Begins at once; `events` are never called from within this call. */
  watch(request: WatchRequest, events: WatchEvents): Watch;
  /** Who leads, as far as is known here; undefined while nobody is known to. */
  leader(): LeaderInfo | undefined;
}

/** generation × 2^40 + transactions: room for 8,191 restores and 10^12 transactions each. */
export type Revision = number;

const TRANSACTIONS = 2 ** 40;

export function generationOf(revision: Revision): number {
  return Math.floor(revision / TRANSACTIONS);
}

/** The first revision of a generation; above all of earlier ones. */
export function firstRevision(generation: number): Revision {
  return generation * TRANSACTIONS;
}

export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revisions of the transactions that made and last changed it. */
  readonly created: Revision;
  readonly modified: Revision;
  /** Changes since it was made, from 1. */
  readonly version: number;
}

/** All keys that begin with `prefix`, or one key. */
export type KeySelector = { readonly key: string } | { readonly prefix: string };

export type RangeRequest = KeySelector & {
  /**
   * Most items, from 1; default and most MAX_RANGE_ITEMS. An answer may hold fewer and say `more`: it
   * also ends at about MAX_RANGE_BYTES.
   */
  readonly limit?: number;
  /** Goes on behind this key, for paging. Pages are states of different times: see `readAll`. */
  readonly after?: string;
  /** `local`: what this node knows, at once and possibly old. Default linearizable. */
  readonly consistency?: "linearizable" | "local";
};

export interface RangeResult {
  /** Of the store when it was read. */
  readonly revision: Revision;
  /** In the order of their keys. */
  readonly items: readonly KeyValue[];
  /** There are more behind the last one. */
  readonly more: boolean;
}

/** What must hold when the transaction is applied. */
export type Compare =
  /** `revision` 0 stands for a key that is not there. */
  | {
      readonly type: "modified";
      readonly key: string;
      readonly is: "equal" | "greater" | "less";
      readonly revision: Revision;
    }
  | { readonly type: "value"; readonly key: string; readonly equals: Uint8Array }
  /** The proposer was told that this term is the present one: fails once there is another leader. */
  | { readonly type: "term"; readonly term: number };

/**
 * No two operations of one list may touch the same key: no key twice, no key below a deleted prefix. A put
 * changes the key also when the value is the same. Deleting what is not there changes nothing.
 */
export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | ({ readonly type: "delete" } & KeySelector);

export interface TxnRequest {
  /** Of the client's choice, the same for every retry; at most MAX_REQUEST_ID_LENGTH letters. */
  readonly id?: string;
  readonly compare: readonly Compare[];
  readonly then: readonly Operation[];
  readonly otherwise?: readonly Operation[];
  /** Nodes that must hold their lease when the leader takes the transaction in. */
  readonly leases?: readonly string[];
}

export interface TxnResult {
  /** True: every compare held and `then` was applied; false: `otherwise` was. */
  readonly succeeded: boolean;
  /** Of the transaction; of the store before it when nothing changed. */
  readonly revision: Revision;
}

export type WatchRequest = KeySelector & {
  /**
   * Changes behind this revision; absent: from now on, where "now" is when the server takes it in. To miss
   * nothing, read first and give the revision of the answer.
   */
  readonly after?: Revision;
};

export interface WatchEvents {
  /**
   * In the order of revisions; at most one change for each key. `revision` is how far the watch is now: a
   * watch that begins again behind it misses nothing. Without changes only that has moved.
   */
  changed(event: { readonly revision: Revision; readonly changes: readonly Change[] }): void;
  /** Changes behind `after` are forgotten: read anew at `revision` or later, then watch from there. Last event. */
  compacted(event: { readonly revision: Revision }): void;
  /** The watch could not go on (server gone for good, unauthorized). Last event. Reconnects are not told. */
  failed(error: Error): void;
}

export type Change =
  | { readonly type: "put"; readonly item: KeyValue }
  | { readonly type: "delete"; readonly key: string; readonly modified: Revision };

export interface Watch {
  /** No event comes after this. Idempotent. */
  close(): void;
}

export interface LeaderInfo {
  readonly node: string;
  readonly term: number;
}

/** Longest key, in UTF-8. Keys are paths such as `nodes/gs-1`. */
export const MAX_KEY_BYTES = 512;
export const MAX_VALUE_BYTES = 256 * 1024;
/** Compares and operations of one transaction together. */
export const MAX_TXN_PARTS = 256;
/** Keys and values of one transaction together. */
export const MAX_TXN_BYTES = 1024 * 1024;
/** Keys that one transaction may change, those below deleted prefixes included; above it, "too-large". */
export const MAX_TXN_CHANGES = 4096;
export const MAX_RANGE_ITEMS = 10_000;
/** Keys and values of one answer together; the item that crosses it is the last. */
export const MAX_RANGE_BYTES = 4 * 1024 * 1024;
export const MAX_REQUEST_ID_LENGTH = 64;
/** Longest time over which a client may retry with the same id. */
export const MAX_RETRY_MS = 30_000;
