// A cluster of real processes, for tests and benchmarks.
export { ApiserverCluster, ApiserverNode } from "./apiserver-cluster.ts";
export { NodeProcess, type NodeProcessOptions } from "./node-process.ts";
export {
  ProcessCluster,
  type ProcessClusterOptions,
  type WorldSettings,
} from "./process-cluster.ts";
export { until } from "./until.ts";
