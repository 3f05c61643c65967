import type { RaftFault } from "../core/faults.ts";
import type { Plan } from "./plan.ts";
import { type RunResult, Simulation } from "./simulation.ts";

export interface SeedFailure {
  readonly seed: number;
  readonly error: Error;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly failures: readonly SeedFailure[];
  readonly totals: Omit<RunResult, "plan">;
}

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  readonly faults?: readonly RaftFault[];
  /** Stop at so many failures; 1 when left out. */
  readonly maxFailures?: number;
  readonly plan?: Partial<Plan>;
  /** Called after each seed. */
  readonly onSeed?: (seed: number, failure: SeedFailure | undefined) => void;
}

/** Runs one simulation after another. The same seed and faults are the same run. */
export function runSeeds(options: SeedsOptions): SeedsReport {
  const failures: SeedFailure[] = [];
  const totals = { elections: 0, committed: 0, acknowledged: 0, reads: 0, installs: 0, changes: 0 };
  const faults = new Set(options.faults);
  let seeds = 0;
  for (let seed = options.first; seed < options.first + options.count; seed++) {
    seeds++;
    let failure: SeedFailure | undefined;
    try {
      const result = new Simulation(seed, faults, options.plan).run();
      totals.elections += result.elections;
      totals.committed += result.committed;
      totals.acknowledged += result.acknowledged;
      totals.reads += result.reads;
      totals.installs += result.installs;
      totals.changes += result.changes;
    } catch (error) {
      failure = { seed, error: error instanceof Error ? error : new Error(String(error)) };
      failures.push(failure);
    }
    options.onSeed?.(seed, failure);
    if (failures.length >= (options.maxFailures ?? 1)) break;
  }
  return { seeds, failures, totals };
}
