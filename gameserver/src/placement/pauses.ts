/** Pauses before another try, in ms. Each is twice the one before, up to the longest. */
export interface Pauses {
  readonly first: number;
  readonly longest: number;
}

/** A module that is not there or cannot be fetched: the planner asks another node after 30 s. */
export const PREPARE_PAUSES: Pauses = { first: 2_000, longest: 60_000 };
/**
 * A world that could not be opened and was released. Longer than the planner waits for a claim (30 s), so that
 * another node is asked first, if there is one. A change of the world or of its placement ends the pause.
 */
export const OPEN_PAUSES: Pauses = { first: 45_000, longest: 300_000 };
/** A transaction that was not answered, or compared with something old: the watch is about to tell. */
export const TXN_PAUSES: Pauses = { first: 100, longest: 5_000 };
/** A world whose thread died, is opened again. */
export const REOPEN_PAUSES: Pauses = { first: 1_000, longest: 60_000 };

/** After so many failures in a row, from 1. */
export function pauseOf({ first, longest }: Pauses, failures: number): number {
  return Math.min(longest, first * 2 ** Math.min(30, Math.max(0, failures - 1)));
}
