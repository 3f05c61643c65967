import type { Random } from "@atlasnet/core";

/** What a run is like: drawn from its seed, so that runs differ in kind and not only in luck. */
export interface Plan {
  readonly nodes: number;
  /** Steps of trouble; then all is healed and has `healSteps` to be well again. A step is about one tick. */
  readonly steps: number;
  readonly healSteps: number;
  /** Chances per message. */
  readonly loss: number;
  readonly duplicate: number;
  /** Longest way of a message in steps; each takes its own time, so they overtake one another. */
  readonly delay: number;
  /** Chances per step. */
  readonly crash: number;
  /** Of a crashed node. */
  readonly restart: number;
  readonly cut: number;
  readonly pause: number;
  readonly compact: number;
  readonly change: number;
  readonly transfer: number;
  readonly write: number;
  readonly read: number;
  /** Longest sync in steps, and the chance that one stalls. */
  readonly sync: number;
  readonly stall: number;
  /** Ticks per step, by node, around 1. */
  readonly drift: number;
  /** One node loses its disk. */
  readonly wipe: boolean;
  readonly preVote: boolean;
  readonly maxBatchEntries: number;
  readonly maxInflightMessages: number;
  readonly chunkBytes: number;
  readonly trailingBytes: number;
}

export function drawPlan(random: Random): Plan {
  const some = (chance: number, most: number) =>
    random.float() < chance ? random.float() * most : 0;
  return {
    nodes: [1, 2, 3, 3, 3, 3, 4, 5, 5, 5][random.int(0, 9)] ?? 3,
    steps: 900,
    healSteps: 1500,
    loss: some(0.7, 0.25),
    duplicate: some(0.6, 0.2),
    delay: random.int(1, 8),
    crash: some(0.8, random.float() < 0.3 ? 0.06 : 0.012),
    restart: 0.02 + random.float() * random.float() * 0.5,
    cut: some(0.7, 0.05),
    pause: some(0.4, 0.008),
    compact: some(0.6, 0.03),
    change: some(0.5, 0.02),
    transfer: some(0.4, 0.01),
    write: 0.1 + random.float() * 0.3,
    read: random.float() * 0.3,
    sync: random.float() < 0.5 ? 0 : random.int(1, 5),
    stall: some(0.3, 0.02),
    drift: some(0.5, 0.4),
    wipe: random.float() < 0.15,
    preVote: random.float() < 0.85,
    maxBatchEntries: random.int(1, 6),
    maxInflightMessages: random.int(1, 6),
    chunkBytes: random.int(8, 64),
    trailingBytes: random.float() < 0.5 ? 0 : random.int(0, 300),
  };
}
