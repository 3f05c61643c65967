// A cluster of real processes, for tests and benchmarks.
export { NodeProcess, type NodeProcessOptions } from "./node-process.ts";
export { ProcessCluster, type ProcessClusterOptions } from "./process-cluster.ts";
export { until } from "./until.ts";
