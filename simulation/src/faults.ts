/**
 * Rules of the design that a run may break on purpose, to see that a checker notices. They are built into the
 * simulated surroundings and into wrappers around the real parts; nothing that runs in production knows of them.
 */
export const CLUSTER_FAULTS = [
  // 3.1
  "state-beside-the-store",
  // 3.2
  "topic-per-player",
  // 3.3
  "change-not-in-the-delta",
  // 3.4
  "leaves-not-told",
  // 4.1
  "attach-acknowledges-more",
  "attach-skips-a-message",
  "old-state-taken-for-exact",
  "rollback-not-announced",
  "mirror-a-tick-behind",
  // 4.2
  "proxy-never-slow",
  // 5.1
  "acts-without-lease",
  "source-goes-on",
  "gives-up-what-is-unleased",
  // 5.2
  "tells-of-the-next-tick",
  // 5.3
  "acts-at-an-old-epoch",
  // 5.4
  "owner-by-decree",
  // 5.5
  "lets-out-what-its-mirror-lacks",
  "ungates-before-it-cleared",
  "mirror-never-silent",
  "no-gate-at-the-switch",
  "source-keeps-nothing",
  // Upgrades
  "lets-out-its-trial",
  "goes-on-after-a-failed-trial",
  // Mirrors that cannot go on
  "never-withdraws",
  // Sleep
  "wakes-for-nobody",
  "wakes-as-another",
] as const;

export type ClusterFault = (typeof CLUSTER_FAULTS)[number];
export type ClusterFaults = ReadonlySet<ClusterFault>;
