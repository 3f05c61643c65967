import type { Random } from "@atlasnet/core";

/** What a run is like: drawn from its seed, so that runs differ in kind and not only in luck. Times in ms. */
export interface Plan {
  readonly apiservers: number;
  readonly gameservers: number;
  readonly worlds: number;
  readonly clients: number;
  readonly watchers: number;
  readonly troubleMs: number;
  /** After healing, all has to be well again within this time. */
  readonly healMs: number;
  readonly leaseMs: number;
  /** Chances per message. */
  readonly loss: number;
  readonly duplicate: number;
  readonly delayMs: number;
  /** Chances per moment of trouble; there are some ten in a second. */
  readonly crash: number;
  readonly cut: number;
  readonly pause: number;
  readonly failingDisk: number;
  readonly transfer: number;
  readonly members: number;
  readonly operator: number;
  readonly gameserverCrash: number;
  readonly gameserverPause: number;
  readonly clockJump: number;
  /** Clocks run at rates within 1 ± this. */
  readonly drift: number;
  readonly syncMs: number;
  /** Chance per sync of one that takes long. */
  readonly stall: number;
  /** The disk takes its time with writes, too, so that crashes tear them. */
  readonly slowWrites: boolean;
  readonly checkpointEntries: number;
  readonly historyChanges: number;
  /** Living shards are moved by migrations; otherwise they are released and claimed. */
  readonly liveMoves: boolean;
}

/** Without drains there is nothing to move. */
const LIVE_OPERATOR = 0.3;

export function drawPlan(random: Random, seed: number): Plan {
  // Every other seed: it is drawn without changing what else is.
  const liveMoves = seed % 2 === 0;
  const some = (chance: number, most: number) =>
    random.float() < chance ? random.float() * most : 0;
  return {
    apiservers: random.float() < 0.2 ? 5 : 3,
    gameservers: random.int(2, 4),
    worlds: random.int(2, 6),
    clients: random.int(2, 4),
    watchers: random.int(1, 3),
    troubleMs: 14_000,
    healMs: 30_000,
    leaseMs: random.int(800, 2500),
    loss: some(0.7, 0.12),
    duplicate: some(0.6, 0.15),
    delayMs: 1 + random.float() * random.float() * (random.float() < 0.15 ? 150 : 40),
    crash: some(0.8, 0.06),
    cut: some(0.8, 0.12),
    pause: some(0.6, 0.05),
    failingDisk: some(0.4, 0.03),
    transfer: some(0.5, 0.05),
    members: some(0.3, 0.05),
    operator: some(0.7, 0.08) + (liveMoves ? LIVE_OPERATOR : 0),
    gameserverCrash: some(0.6, 0.03),
    gameserverPause: some(0.7, 0.08),
    clockJump: some(0.4, 0.03),
    drift: some(0.8, 0.0045),
    syncMs: random.float() * 6,
    stall: some(0.4, 0.02),
    slowWrites: random.float() < 0.2,
    checkpointEntries: random.int(20, 200),
    historyChanges: random.float() < 0.4 ? random.int(15, 80) : 100_000,
    liveMoves,
  };
}
