import { type Position, samePosition } from "./position.ts";
import type { RunState } from "./run-file.ts";

/**
 * How far the epoch jumps when the run file is lost: starts that left nothing but their epoch in it
 * are forgotten then, and an epoch must not be used twice.
 */
export const LOST_RUN_EPOCH_JUMP = 1000;

/** What the last run left behind, as far as it could be read. */
export interface Remains {
  /** Undefined when there is no good run file. */
  run: RunState | undefined;
  /** Whether there is any other file of the shard, a good one or not. */
  anyFile: boolean;
  /** The highest epoch in any file's name. */
  highestEpoch: number;
  /** The highest timeline in any header that was read. */
  highestTimeline: number;
  /** The state that was restored. */
  tip: Position | undefined;
}

/**
 * Whether the restored state is what was last running. Only then does the timeline go on: players
 * were told things that a state from before does not know. A shard that never ran lost nothing.
 */
export function isClean({ run, anyFile, tip }: Remains): boolean {
  if (run === undefined) return !anyFile;
  return run.clean !== undefined && tip !== undefined && samePosition(run.clean, tip);
}

/** The epoch and timeline of the next run. */
export function planRun(remains: Remains): RunState {
  const { run, anyFile, highestEpoch, highestTimeline } = remains;
  const jump = run === undefined && anyFile ? LOST_RUN_EPOCH_JUMP : 1;
  const timeline = Math.max(run?.timeline ?? 0, highestTimeline);
  return {
    epoch: Math.max(run?.epoch ?? 0, highestEpoch) + jump,
    timeline: isClean(remains) ? Math.max(timeline, 1) : timeline + 1,
  };
}
