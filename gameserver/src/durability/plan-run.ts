import { type Position, samePosition } from "./position.ts";
import type { RunState } from "./run-file.ts";

/**
 * How far the epoch jumps when the run file is lost: starts that left nothing but their epoch in it
 * are forgotten then, and an epoch must not be used twice.
 */
export const LOST_RUN_EPOCH_JUMP = 1000;

/** How the control plane gave a shard to this node. */
export interface Ownership {
  /** The revision of the claim: the shard acts at exactly this epoch. */
  epoch: number;
  /** `created` of the world's record: files of an earlier world of the same name are not its own. */
  world: number;
  /** Counts the changes of the shard's owner, this one included: one more with every claim and release. */
  turn: number;
  /**
   * The turn of the ownership before this one, if it was this node's; "none" if the shard had no owner
   * before. Undefined: somebody else acted since, or that cannot be told.
   */
  lastTurn: number | "none" | undefined;
  /**
   * With `lastTurn`: the first turn since which nobody but this node owned the shard, if that is known to be
   * before it. It need not have run at each: a module may have been refused.
   */
  sinceTurn?: number;
  /** The owner before this one gave the shard back, after it had stopped. Absent: it did not, or there was none. */
  released?: true;
  /** As in the owner's record. */
  promotedOver?: number;
}

/** A snapshot of another node, which took the place of what the files held. */
export interface TakenSnapshot {
  /** Under which its state was lived. */
  timeline: number;
  /** Nobody acted for the shard since. */
  exact: boolean;
}

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
  /** Where that state is from, when it is another node's. */
  taken?: TakenSnapshot;
}

/**
 * Whether the restored state is what was last running. Only then does the timeline go on: players
 * were told things that a state from before does not know. A shard that never ran lost nothing.
 */
export function isClean({ run, anyFile, tip }: Remains): boolean {
  if (run === undefined) return !anyFile;
  return run.clean !== undefined && tip !== undefined && samePosition(run.clean, tip);
}

/** Whether the files are of this world, and not of one that was removed and made anew. */
export function isSameWorld({ run }: Remains, ownership: Ownership): boolean {
  return run?.owner === undefined || run.owner.world === ownership.world;
}

/**
 * The epoch and timeline of the next run. With an ownership, a new timeline is its epoch: other nodes have
 * had timelines that these files know nothing of. The files' epochs grow by themselves where they are
 * above it, as after a time without a control plane.
 */
export function planRun(remains: Remains, ownership?: Ownership): RunState {
  const { run, anyFile, highestEpoch, highestTimeline, taken } = remains;
  const jump = run === undefined && anyFile ? LOST_RUN_EPOCH_JUMP : 1;
  const epoch = Math.max(run?.epoch ?? 0, highestEpoch) + jump;
  const timeline = Math.max(run?.timeline ?? 0, highestTimeline);
  if (ownership === undefined)
    return { epoch, timeline: isClean(remains) ? Math.max(timeline, 1) : timeline + 1 };
  const { world, turn } = ownership;
  const same = taken === undefined ? goesOn(remains, ownership) : taken.exact;
  return {
    epoch: Math.max(epoch, ownership.epoch),
    timeline: same
      ? Math.max(taken?.timeline ?? timeline, 1)
      : Math.max(timeline + 1, ownership.epoch),
    owner: { epoch: ownership.epoch, world, turn },
  };
}

/** Whether the files hold the state that the shard was last seen in, by anybody. */
export function goesOn(remains: Remains, ownership: Ownership): boolean {
  return isClean(remains) && ranLast(remains, ownership);
}

/**
 * Whether the restored state may be of another branch than the one that players were on last, with nothing recorded
 * that would tell: somebody else acted for the shard after the files' own run. That one need not have gone on from what
 * the files hold, so that a message of theirs may be another one to a player, also below the last number. So it is when
 * the last run has left nothing of its own: its state may have been of another branch, which only it knew. Pure.
 */
export function mayHaveParted(remains: Remains, ownership: Ownership): boolean {
  const { run, tip, taken } = remains;
  if (taken !== undefined) return !taken.exact;
  return !ranLast(remains, ownership) || tip?.epoch !== run?.epoch;
}

/** Whether nobody but the run that wrote the files acted for the shard before this ownership. */
function ranLast({ run }: Remains, { world, lastTurn, sinceTurn }: Ownership): boolean {
  const owner = run?.owner;
  // Nobody had it in this cluster: what ran here before goes on.
  if (lastTurn === "none") return owner === undefined && run !== undefined;
  if (lastTurn === undefined || owner?.world !== world) return false;
  return owner.turn <= lastTurn && owner.turn >= (sinceTurn ?? lastTurn);
}
