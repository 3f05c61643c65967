import { runEachSeed, type SeedsOptions, type SeedsReport } from "../raft/sim/seeds.ts";
import type { ControlFault } from "./faults.ts";
import type { Plan } from "./plan.ts";
import { ControlSimulation } from "./simulation.ts";

export interface ControlSeedsOptions extends SeedsOptions {
  readonly faults?: readonly ControlFault[];
  readonly plan?: Partial<Plan>;
  /** Lets promises get on; in Node, `settle` of `@atlasnet/core/node`. */
  readonly settle: () => Promise<void>;
}

/** The same seed and faults are the same run. */
export function runSeeds({
  faults,
  plan,
  settle,
  ...options
}: ControlSeedsOptions): Promise<SeedsReport> {
  const planted = new Set(faults);
  return runEachSeed(options, async (seed) => {
    const { figures, simulatedMs } = await new ControlSimulation(seed, planted, plan).run(settle);
    return { simulatedSeconds: Math.round(simulatedMs / 1000), ...figures };
  });
}
