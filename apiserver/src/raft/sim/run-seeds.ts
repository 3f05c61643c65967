import type { RaftFault } from "../core/faults.ts";
import type { Plan } from "./plan.ts";
import { runEachSeed, type SeedsOptions, type SeedsReport } from "./seeds.ts";
import { Simulation } from "./simulation.ts";

export interface RaftSeedsOptions extends SeedsOptions {
  readonly faults?: readonly RaftFault[];
  readonly plan?: Partial<Plan>;
}

/** The same seed and faults are the same run. */
export function runSeeds({ faults, plan, ...options }: RaftSeedsOptions): Promise<SeedsReport> {
  const planted = new Set(faults);
  return runEachSeed(options, (seed) => {
    const { plan: _, ...figures } = new Simulation(seed, planted, plan).run();
    return figures;
  });
}
