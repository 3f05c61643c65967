/**
 * Bounds of the store. Those of the state machine decide what a command does, so they are the same on
 * every apiserver: constants of this version, or kept in the state itself (the quota).
 */

/** Bytes of keys, values and ITEM_OVERHEAD_BYTES each, until an operator sets another quota. */
export const DEFAULT_QUOTA_BYTES = 512 * 1024 * 1024;
export const MAX_QUOTA_BYTES = 64 * 1024 * 1024 * 1024;
/** What an item takes besides its key and value, roughly. */
export const ITEM_OVERHEAD_BYTES = 256;

/** Answers that are remembered for retries: the newest, and none from further back in the log. */
export const MAX_REMEMBERED_IDS = 131_072;
export const MAX_REMEMBERED_DISTANCE = 1_000_000;

/** Changes kept for watches that begin in the past. Of one apiserver only: they decide nothing. */
export interface HistoryLimits {
  readonly maxChanges: number;
  readonly maxBytes: number;
}
export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  maxChanges: 100_000,
  maxBytes: 64 * 1024 * 1024,
};

/** Transactions and bytes of one command in the log. */
export const MAX_COMMAND_TXNS = 1024;
export const MAX_COMMAND_BYTES = 2 * 1024 * 1024;
/** Items of one part of a restore. */
export const MAX_RESTORE_ITEMS = 4096;

/** Watches at one apiserver; the next fail with "too-many-watches". */
export const DEFAULT_MAX_WATCHES = 20_000;
/** Changes that wait for a slow watch before older ones of the same key are left out. */
export const CONFLATE_ABOVE = 256;
/** Keys and bytes that wait for a slow watch; above them it is told `compacted`. */
export const MAX_WAITING_KEYS = 16_384;
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** A watch event ends at the transaction that crosses it. */
export const WATCH_EVENT_BYTES = 1024 * 1024;
