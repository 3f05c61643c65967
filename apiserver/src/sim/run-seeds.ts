import type { ControlFault } from "./faults.ts";
import type { Plan } from "./plan.ts";
import { ControlSimulation } from "./simulation.ts";

export interface SeedFailure {
  readonly seed: number;
  readonly error: Error;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly failures: readonly SeedFailure[];
  /** Sums over the seeds that did not fail. */
  readonly totals: { readonly [what: string]: number };
}

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  readonly faults?: readonly ControlFault[];
  /** Stop at so many failures; 1 when left out. */
  readonly maxFailures?: number;
  readonly plan?: Partial<Plan>;
  /** Lets promises get on; in Node, `settle` of `@atlasnet/core/node`. */
  readonly settle: () => Promise<void>;
  /** Called after each seed. */
  readonly onSeed?: (seed: number, failure: SeedFailure | undefined) => void;
}

/** Runs one simulation after another. The same seed and faults are the same run. */
export async function runSeeds(options: SeedsOptions): Promise<SeedsReport> {
  const failures: SeedFailure[] = [];
  const totals: { [what: string]: number } = {};
  const faults = new Set(options.faults);
  let seeds = 0;
  for (let seed = options.first; seed < options.first + options.count; seed++) {
    seeds++;
    let failure: SeedFailure | undefined;
    try {
      const simulation = new ControlSimulation(seed, faults, options.plan);
      const { figures, simulatedMs } = await simulation.run(options.settle);
      const all = { simulatedSeconds: Math.round(simulatedMs / 1000), ...figures };
      for (const [what, count] of Object.entries(all)) totals[what] = (totals[what] ?? 0) + count;
    } catch (error) {
      failure = { seed, error: error instanceof Error ? error : new Error(String(error)) };
      failures.push(failure);
    }
    options.onSeed?.(seed, failure);
    if (failures.length >= (options.maxFailures ?? 1)) break;
  }
  return { seeds, failures, totals };
}
