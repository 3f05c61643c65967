/**
 * Rules of the design that a run may break on purpose, to see that a checker notices. They are built into the
 * simulated surroundings and into wrappers around the real parts; nothing that runs in production knows of them.
 */
export const CLUSTER_FAULTS = [
  // 4.1
  "attach-acknowledges-more",
  "attach-skips-a-message",
  "old-state-taken-for-exact",
  "rollback-not-announced",
  // 4.2
  "proxy-never-slow",
  // 5.1
  "acts-without-lease",
  "source-goes-on",
  // 5.3
  "acts-at-an-old-epoch",
] as const;

export type ClusterFault = (typeof CLUSTER_FAULTS)[number];
export type ClusterFaults = ReadonlySet<ClusterFault>;
