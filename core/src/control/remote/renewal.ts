import type { NodeLoad } from "../control-plane.ts";

/** What a node says with a renewal of its lease. */
export interface RenewalRequest {
  readonly boot: string;
  /** Of `Lease.renewing`. */
  readonly number: number;
  readonly load: NodeLoad;
  /** Shards that were given to this node and that it could not open; absent: none. Bounded as below. */
  readonly problems?: readonly ShardProblem[] | undefined;
}

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
