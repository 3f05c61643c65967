/** Whole clusters under one seed. */

export { type ClusterResult, ClusterSimulation } from "./cluster.ts";
export { CLUSTER_FAULTS, type ClusterFault, type ClusterFaults } from "./faults.ts";
export { drawPlan, type Plan } from "./plan.ts";
export { type ClusterSeedsOptions, runSeeds } from "./run-seeds.ts";
