import type { NodeLoad } from "../control-plane.ts";

/** What a node says with a renewal of its lease. */
export interface RenewalRequest {
  readonly boot: string;
  /** Of `Lease.renewing`. */
  readonly number: number;
  readonly load: NodeLoad;
  /** Shards that were given to this node and that it could not open; absent: none. Bounded as below. */
  readonly problems?: readonly ShardProblem[] | undefined;
  /**
   * How migrations that this node takes part in come along; absent: there are none. Bounded as below. Since version 2
   * of the calls.
   */
  readonly migrations?: readonly MigrationProgress[] | undefined;
  /** Which of its shards sleep, a part of them at a time; absent: none. Since version 3 of the calls. */
  readonly asleep?: AsleepSlice | undefined;
}

/**
 * Of the names behind `after`, up to and with `through`, in the order of UTF-16 units, these sleep and no others. A bound
 * that is absent is none.
 */
export interface AsleepSlice {
  readonly after?: string | undefined;
  readonly through?: string | undefined;
  /** At most MAX_ASLEEP_NAMES. */
  readonly shards: readonly string[];
}

/** How far a migration is, as one of its two gameservers sees it. */
export interface MigrationProgress {
  readonly shard: string;
  /** Of the migration's record. */
  readonly id: string;
  readonly phase: MigrationPhase;
  /** Of the copy, so far: what the source has sent, or what the target has. */
  readonly bytes: number;
  /** Of the whole copy; 0 while that is not known. */
  readonly totalBytes: number;
  /** Ticks that the target is behind the source; 0 while it has no copy yet. */
  readonly lagTicks: number;
}

/**
 * - `preparing`: the target gets the module ready, and links to the source.
 * - `copying`: the state is on its way; the source ticks on.
 * - `following`: the target has the copy, and applies what each tick changes.
 * - `sealed`: the source has stopped at a tick.
 * - `switching`: the target makes itself the owner.
 */
export const MIGRATION_PHASES = [
  "preparing",
  "copying",
  "following",
  "sealed",
  "switching",
] as const;
export type MigrationPhase = (typeof MIGRATION_PHASES)[number];

/** Why a shard does not run on the node that it was given to. */
export interface ShardProblem {
  readonly shard: string;
  /** For people. */
  readonly problem: string;
}

/** Shards of a node whose problems are told; the others are in its log. */
export const MAX_SHARD_PROBLEMS = 64;
/** UTF-16 units of a problem; the rest of it is in the node's log. */
export const MAX_PROBLEM_LETTERS = 256;

/** Migrations of a node that are told; of more, the others are shown without progress. */
export const MAX_MIGRATION_REPORTS = 64;

/** Sleeping shards that one renewal names; of more, the next renewals name the next ones, in turn. */
export const MAX_ASLEEP_NAMES = 512;

/** Migrations as a renewal takes them: too many of them must not cost a lease. */
export function boundedMigrations(
  migrations: Iterable<MigrationProgress>,
): readonly MigrationProgress[] {
  const bounded: MigrationProgress[] = [];
  for (const each of migrations) {
    if (bounded.length === MAX_MIGRATION_REPORTS) break;
    const { shard, id, phase, bytes, totalBytes, lagTicks } = each;
    bounded.push({
      ...{ shard, id, phase },
      ...{ bytes: count(bytes), totalBytes: count(totalBytes), lagTicks: count(lagTicks) },
    });
  }
  return bounded;
}

function count(figure: number): number {
  return Number.isFinite(figure) ? Math.max(0, Math.trunc(figure)) : 0;
}

/** Problems as a renewal takes them: whatever is too much or too long of them must not cost a lease. */
export function boundedProblems(problems: Iterable<ShardProblem>): readonly ShardProblem[] {
  const bounded: ShardProblem[] = [];
  for (const { shard, problem } of problems) {
    if (bounded.length === MAX_SHARD_PROBLEMS) break;
    bounded.push({ shard, problem: clipped(problem) });
  }
  return bounded;
}

/** Half a letter at the cut, or from elsewhere, is no text on the wire. */
const HALF_LETTERS = /\p{Surrogate}/gu;

function clipped(problem: string): string {
  const text = problem.length === 0 ? "no reason was given" : problem;
  const short =
    text.length > MAX_PROBLEM_LETTERS ? `${text.slice(0, MAX_PROBLEM_LETTERS - 1)}…` : text;
  return short.replace(HALF_LETTERS, "?");
}

export type RenewalAnswer =
  | { readonly ok: true; readonly number: number; readonly leaseMs: number }
  /** "unknown-node": not registered, or with another boot. "lost": declared so, or about to be. */
  | { readonly ok: false; readonly code: "not-leader" | "unknown-node" | "lost" };
