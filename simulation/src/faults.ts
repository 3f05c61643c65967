/**
 * Rules of the design that a run may break on purpose, to see that a checker notices. They are built into the
 * simulated surroundings and into wrappers around the real parts; nothing that runs in production knows of them.
 */
export const CLUSTER_FAULTS = [
  // 4.1
  "shard-applies-twice",
  "attach-acknowledges-more",
  "old-state-taken-for-exact",
  // 4.2
  "proxy-never-slow",
  // 5.1
  "acts-without-lease",
  "acts-after-loss",
  // 5.3
  "old-epoch-on-new-shard",
] as const;

export type ClusterFault = (typeof CLUSTER_FAULTS)[number];
export type ClusterFaults = ReadonlySet<ClusterFault>;
