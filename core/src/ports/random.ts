/** Bytes nobody can guess: stream ids, keys, cookies. */
export interface SecureRandom {
  bytes(count: number): Uint8Array;
}

/** Numbers that look random and need not be secret: jitter, choices, simulation. */
export interface PseudoRandom {
  /** From 0 up to, not including, 1. */
  float(): number;
  /** An integer from min to max, both included. @throws RangeError unless min ≤ max, both integers. */
  int(min: number, max: number): number;
}

/** Both, as one port. Real in `@atlasnet/core/node`, seeded in `@atlasnet/core/sim`. */
export interface Random extends SecureRandom, PseudoRandom {}

/** An integer of a range from a float; shared by the adapters. */
export function intFrom(float: number, min: number, max: number): number {
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min > max)
    throw new RangeError(`a range of integers is needed, not ${min} to ${max}`);
  return min + Math.floor(float * (max - min + 1));
}
