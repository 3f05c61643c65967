/**
 * Rules of the control plane that a test may break, one by one, to see that a checker notices. They are
 * built into the parts of the simulation and into wrappers around the real ones; nothing that runs
 * in production knows of them.
 */
export const CONTROL_FAULTS = [
  // The store
  "new-id-per-retry",
  "forgets-requests",
  "reads-without-asking",
  "answers-before-commit",
  "applies-as-it-likes",
  "drops-compares",
  "answers-another-revision",
  "sync-does-nothing",
  "goes-on-after-failed-sync",
  "checkpoint-loses-a-key",
  // Watches
  "watch-skips",
  "watch-goes-back",
  "watch-resumes-late",
  "watch-resumes-from-now",
  "watch-hides-compaction",
  "watch-always-compacted",
  "watch-goes-silent",
  // Leases
  "lease-from-answer",
  "lease-renewed-while-declared",
  "new-leader-does-not-wait",
  "declares-early",
  "blind-to-sleep",
  "acts-without-looking",
  "too-much-drift",
  "deaf-to-loss",
  // Claims
  "claims-blindly",
  "acts-before-claimed",
  "acts-while-releasing",
  "acts-after-loss",
  "epoch-of-view",
  "never-releases",
  "claims-never",
  // Placement
  "moves-for-nothing",
  "wishes-come-late",
  "places-once",
  "loses-nobody",
  // Migrations
  "touches-what-moves",
  "switches-unsealed",
  "unseals-by-itself",
] as const;

export type ControlFault = (typeof CONTROL_FAULTS)[number];
export type ControlFaults = ReadonlySet<ControlFault>;
