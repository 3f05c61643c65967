/** How placement behaves. Times in ms of the clock whose readings the planner is given. */
export interface PlacementSettings {
  /** Node visits of one step: the measure of its work. A visit takes some ten nanoseconds. */
  readonly maxVisits: number;
  /** Intents of one step. */
  readonly maxIntents: number;
  /** Proposed and not yet seen in the watch; at the bound the planner waits. */
  readonly maxPending: number;
  /** Most intents joined into one transaction. Each takes up to twelve parts of MAX_TXN_PARTS. */
  readonly intentsPerTransaction: number;
  /** A proposal without an answer is looked at anew after this time. */
  readonly pendingMs: number;
  /** So is one that failed; by then the watch should show why. */
  readonly retryMs: number;
  /** A node that was asked and did not take a shard for so long is passed over. */
  readonly claimMs: number;
  /** For how long it is passed over for this shard. */
  readonly avoidMs: number;
  /** Shards without a place are looked at again so often at most. */
  readonly blockedMs: number;
  /** A node whose reported load is from here on takes nothing new. */
  readonly overloadedAt: number;
  /** `pack` fills nodes up to this load before it takes the next one. */
  readonly packUpTo: number;
  /** Living shards on the move at a time: in all, and of one draining node. */
  readonly maxMoves: number;
  readonly maxMovesPerNode: number;
  /** Living shards are moved while they run (migrations); false: they are released and opened elsewhere. */
  readonly liveMoves: boolean;
  /** Most that a migration may take before it is aborted. */
  readonly migrationMs: number;
  /** The nodes of a migration end it themselves in time; this much later the leader does. */
  readonly migrationMarginMs: number;
  /** Between an aborted migration of a shard whose node drains and the next. */
  readonly migrateAgainMs: number;
  /** A shard whose node drains is released and opened elsewhere after so many aborted migrations. */
  readonly maxAbortedDrains: number;
  readonly balance: BalanceSettings;
}

export interface BalanceSettings {
  readonly enabled: boolean;
  readonly everyMs: number;
  /** A node is strained while its reported load is from here on; 0: every node, always. Less than 1. */
  readonly strainedAt: number;
  /** Running shards leave a node that was strained for so long, since the last move that it took part in. */
  readonly strainedMs: number;
  /** Nodes this far apart in load (1 is a full node) are worth a move. */
  readonly threshold: number;
  /** The receiver stays so far below what the giver had: then no move is worth its reverse. */
  readonly hysteresis: number;
  /** A shard stays for so long after a move. */
  readonly restMs: number;
  /** Shards of one node that are tried for a move. */
  readonly maxTried: number;
  /**
   * Which shards may be moved while they run: `unowned` none of them, `stateless` those that keep nothing
   * (durability none), `all` any. Undefined: `all` when moves are live; `unowned` when they are not, because
   * then each costs players a pause.
   */
  readonly moves: "unowned" | "stateless" | "all" | undefined;
}

export const DEFAULT_PLACEMENT: PlacementSettings = {
  maxVisits: 300_000,
  maxIntents: 256,
  maxPending: 1024,
  intentsPerTransaction: 20,
  pendingMs: 10_000,
  retryMs: 200,
  claimMs: 30_000,
  avoidMs: 120_000,
  blockedMs: 1000,
  overloadedAt: 0.95,
  packUpTo: 0.85,
  maxMoves: 64,
  maxMovesPerNode: 8,
  liveMoves: true,
  migrationMs: 120_000,
  migrationMarginMs: 5000,
  migrateAgainMs: 3000,
  maxAbortedDrains: 2,
  balance: {
    enabled: true,
    everyMs: 5000,
    strainedAt: 0.8,
    strainedMs: 30_000,
    threshold: 0.2,
    hysteresis: 0.05,
    restMs: 600_000,
    maxTried: 64,
    moves: undefined,
  },
};
