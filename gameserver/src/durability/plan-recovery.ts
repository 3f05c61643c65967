import type { Journal, JournalRecord } from "./journal-file.ts";
import { comparePositions, type Position, samePosition, showPosition } from "./position.ts";

/** A delta as it is given back to the shard. */
export interface RecoveredDelta {
  tick: number;
  bytes: Uint8Array;
}

/** A journal file that was read: whole, in part, or not at all. */
export interface ReadJournal {
  name: string;
  /** As its name says. */
  epoch: number;
  journal?: Journal;
  /** Why nothing of it could be used. `torn`: it was being written when the machine died. */
  unreadable?: { message: string; torn: boolean };
}

export interface FileProblem {
  file: string;
  problem: string;
  /** The file is of no more use and is moved aside; otherwise its good part is still needed. */
  aside: boolean;
}

export interface RecoveryPlan {
  deltas: RecoveredDelta[];
  /** The state that is reached; undefined without a snapshot. */
  tip: Position | undefined;
  /** Journals whose deltas were taken, in order. */
  used: { name: string; journal: Journal }[];
  /** Deltas after the tip that are gone, wherever that can be told. */
  problems: FileProblem[];
  /** A write that was cut off by a crash: expected after one, so told apart from damage. */
  torn: FileProblem[];
  /** The highest timeline any journal names. */
  timeline: number;
}

interface Step extends Position {
  bytes: Uint8Array;
}

/**
 * Chooses the deltas that follow a snapshot. Pure.
 *
 * A journal continues from its base, a position on the path found so far; what the path holds after
 * the base is replaced, for one of two reasons. Same epoch: the journal was begun anew after a disk
 * fault and repeats the deltas that were not known to be durable. Later epoch: a restart went on
 * from the base, so nothing after it was ever seen again. A journal whose base is not on the path
 * depends on deltas or a snapshot that are lost; it is never mixed in.
 *
 * @param journals those from the snapshot on, oldest first
 */
export function planRecovery(
  snapshot: Position | undefined,
  journals: readonly ReadJournal[],
): RecoveryPlan {
  const steps: Step[] = [];
  const used: { name: string; journal: Journal }[] = [];
  const plan: RecoveryPlan = {
    deltas: [],
    tip: snapshot,
    used: [],
    problems: [],
    torn: [],
    timeline: 0,
  };
  for (const { name, journal, unreadable } of journals) {
    if (journal === undefined) {
      const list = unreadable?.torn === true ? plan.torn : plan.problems;
      list.push({ file: name, problem: unreadable?.message ?? "not read", aside: true });
      continue;
    }
    const { header, records } = journal;
    plan.timeline = Math.max(plan.timeline, header.timeline);
    const length = lengthAt(snapshot, steps, header.base);
    if (length === undefined) {
      const base = showPosition(header.base);
      const problem = `continues from ${base}, of which nothing good is left`;
      plan.problems.push({ file: name, problem, aside: true });
      continue;
    }
    const last = steps.at(-1);
    if (last?.epoch === header.epoch && (records.at(-1)?.tick ?? 0) <= last.tick) continue;
    steps.splice(length, Infinity, ...records.map((record) => stepOf(header.epoch, record)));
    used.push({ name, journal });
  }
  const problem = used.at(-1)?.journal.problem;
  if (problem !== undefined) {
    const text = `${problem.message} (byte ${problem.atByte}); what follows is left out`;
    const list = problem.torn ? plan.torn : plan.problems;
    list.push({ file: used.at(-1)?.name ?? "", problem: text, aside: false });
  }
  return {
    ...plan,
    deltas: steps.map(({ tick, bytes }) => ({ tick, bytes })),
    tip: steps.at(-1) === undefined ? snapshot : positionOf(steps.at(-1)),
    used,
  };
}

/** How many steps of the path lead to a position; undefined when it is not on it. */
function lengthAt(
  snapshot: Position | undefined,
  steps: readonly Step[],
  position: Position,
): number | undefined {
  if (snapshot !== undefined && samePosition(snapshot, position)) return 0;
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const step = steps[middle];
    if (step !== undefined && comparePositions(step, position) < 0) low = middle + 1;
    else high = middle;
  }
  const step = steps[low];
  return step !== undefined && samePosition(step, position) ? low + 1 : undefined;
}

function stepOf(epoch: number, { tick, bytes }: JournalRecord): Step {
  return { epoch, tick, bytes };
}

function positionOf(step: Step | undefined): Position | undefined {
  return step === undefined ? undefined : { epoch: step.epoch, tick: step.tick };
}
