/** The state in which a shard fell asleep: it is on this node's disk, and it wakes from exactly this one. */
export interface SleptState {
  /** Where the shard's files end: the epoch of the run that wrote them, and the tick. */
  readonly fileEpoch: number;
  readonly tick: number;
  readonly timeline: number;
  /** CRC-32 of the state, as its snapshot holds it. */
  readonly crc: number;
  /** When its next timer is due, in ms from then on; absent: it has none. */
  readonly wakeInMs?: number | undefined;
}

/** What a shard that wakes is told. */
export interface WakingState extends SleptState {
  /** How long it slept, in ms. */
  readonly elapsedMs: number;
}

/**
 * Ticks that a shard leaves out when it wakes: its timers go on while it sleeps, up to the next one. Without any, its
 * time has stood still.
 *
 * @param nextTimer the tick at which the next one is due
 */
export function skippedTicks(
  { tick, wakeInMs, elapsedMs }: Pick<WakingState, "tick" | "wakeInMs" | "elapsedMs">,
  { nextTimer, tickRate }: { readonly nextTimer: number; readonly tickRate: number },
): number {
  if (wakeInMs === undefined || nextTimer === Number.POSITIVE_INFINITY) return 0;
  const leftMs = Math.max(0, wakeInMs - elapsedMs);
  return Math.max(0, nextTimer - tick - Math.ceil((leftMs * tickRate) / 1000));
}
