/**
 * A state in a shard's history: the state after `tick`, as lived in `epoch`. No epoch is used twice,
 * so a position never means two different states, also when a restart went back in ticks.
 */
export interface Position {
  epoch: number;
  tick: number;
}

/** Negative when `a` was lived before `b`: a later epoch supersedes every tick of an earlier one. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.tick - b.tick;
}

export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.tick === b.tick;
}

export function showPosition({ epoch, tick }: Position): string {
  return `tick ${tick} of epoch ${epoch}`;
}
