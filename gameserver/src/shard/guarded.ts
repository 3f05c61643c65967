/**
 * Runs world code under a time limit. `interrupted`: it was cut off. `stalled`: it was cut off as well, but
 * had hardly run at all: the process, or the machine, stood still meanwhile.
 */
export type Guard = (run: () => void) => "done" | "interrupted" | "stalled";

/** What was cut off by a standstill is begun again so often at most; after that it counts as too slow. */
export const MAX_STALLS = 3;
