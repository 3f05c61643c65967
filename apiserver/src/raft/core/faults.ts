/**
 * Rules that a test may break, one by one, to see that the simulator or a directed test notices.
 * They are a dependency that only tests pass; no configuration reaches them.
 */
export const RAFT_FAULTS = [
  "forget-vote",
  "double-vote",
  "ignore-log-in-vote",
  "pre-vote-as-vote",
  "ignore-previous-term",
  "truncate-always",
  "commit-old-terms",
  "commit-beyond-match",
  "acknowledge-whole-log",
  "act-before-sync",
  "count-own-unsynced",
  "count-learners",
  "stale-answers",
  "match-moves-back",
  "never-retry",
  "no-no-op",
  "no-check-quorum",
  "no-stickiness",
  "read-without-round",
  "read-before-no-op",
  "read-joins-open-round",
  "two-changes",
  "change-before-no-op",
  "promote-behind",
  "keep-members-on-truncate",
  "removed-campaigns",
  "install-older-checkpoint",
  "any-chunk-offset",
  "checkpoint-without-members",
  "transfer-behind",
  "transfer-without-deadline",
  "trust-any-incarnation",
  "vote-after-wipe",
  "ignore-lost-entries",
] as const;

export type RaftFault = (typeof RAFT_FAULTS)[number];
