import { runEachSeed, type SeedsOptions, type SeedsReport } from "@atlasnet/apiserver/sim";
import { ClusterSimulation } from "./cluster.ts";
import type { ClusterFault } from "./faults.ts";
import type { Plan } from "./plan.ts";

export interface ClusterSeedsOptions extends SeedsOptions {
  readonly faults?: readonly ClusterFault[];
  readonly plan?: Partial<Plan>;
}

/** The same seed and faults are the same run. */
export function runSeeds({ faults, plan, ...options }: ClusterSeedsOptions): Promise<SeedsReport> {
  const planted = new Set(faults);
  return runEachSeed(options, async (seed) => {
    const run = new ClusterSimulation(seed, { faults: planted, ...(plan && { plan }) });
    const { figures, simulatedMs } = await run.run();
    return { simulatedSeconds: Math.round(simulatedMs / 1000), ...figures };
  });
}
