import assert from "node:assert/strict";
import { test } from "node:test";
import { RULES, type Rule } from "../../testing/raft-rules.ts";
import { RAFT_FAULTS, type RaftFault } from "../core/faults.ts";
import type { Plan } from "./plan.ts";
import { runSeeds } from "./run-seeds.ts";

/** Seeds within which a planted fault has to show itself; about three times what it takes. */
interface BySeeds {
  readonly seeds: number;
  readonly plan?: Partial<Plan>;
}

/**
 * What catches each. Where random runs need long, a rule tested directly does; the last test shows
 * that the checkers see some of those, too, in runs that are made for it.
 */
const CAUGHT_BY: Readonly<Record<RaftFault, Rule | BySeeds>> = {
  "forget-vote": "a vote survives a restart",
  "double-vote": { seeds: 20 },
  "ignore-log-in-vote": { seeds: 60 },
  "pre-vote-as-vote": { seeds: 20 },
  "ignore-previous-term": { seeds: 20 },
  "truncate-always": { seeds: 20 },
  "commit-old-terms": "an entry of an older term is not committed by counting",
  "commit-beyond-match": "a follower commits only what it has in common with the leader",
  "acknowledge-whole-log": "a follower acknowledges only what it has in common with the leader",
  "act-before-sync": "nothing that depends on the disk leaves before the sync",
  "count-own-unsynced": "a leader counts its own copy after its sync",
  "count-learners": "a learner does not count",
  "stale-answers": "answers of an older term do not count",
  "match-moves-back": "an acknowledgement that comes late takes nothing back",
  "never-retry": { seeds: 20 },
  "no-no-op": { seeds: 20 },
  "no-check-quorum": "a leader without a quorum steps down",
  "no-stickiness": "followers of a live leader refuse elections",
  "read-without-round": "a read waits for a quorum's answer",
  "read-before-no-op": { seeds: 20 },
  "read-joins-open-round": "a read that comes during a round waits for the next",
  "two-changes": "one change of members at a time",
  "change-before-no-op": "members do not change before the term's no-op is committed",
  "promote-behind": "a learner is promoted when it has caught up",
  "keep-members-on-truncate": "a change of members that is truncated never was",
  "removed-campaigns": "a removed node starts no elections",
  "install-older-checkpoint": { seeds: 20 },
  "any-chunk-offset": { seeds: 40 },
  "checkpoint-without-members": { seeds: 20 },
  "transfer-behind": "leadership goes to one that has the whole log",
  "transfer-without-deadline": "a transfer that does not work is given up",
  "trust-any-incarnation": "another log under a known id is not believed",
  "vote-after-wipe": "a node with a new log does not help those whose logs are not",
  "ignore-lost-entries": "a node that has less than it acknowledged retires",
};

for (const [name, rule] of Object.entries(RULES)) test(name, () => rule());

for (const fault of RAFT_FAULTS) {
  const by = CAUGHT_BY[fault];
  test(`planted fault ${fault}`, async () => {
    if (typeof by === "string") {
      assert.throws(() => RULES[by]([fault]), { code: "ERR_ASSERTION" });
      return;
    }
    const report = await runSeeds({
      first: 1,
      count: by.seeds,
      faults: [fault],
      ...(by.plan && { plan: by.plan }),
    });
    assert.equal(report.failures.length, 1, `${by.seeds} seeds saw nothing`);
  });
}

const ALSO_SEEN: readonly (readonly [RaftFault, BySeeds])[] = [
  ["count-learners", { seeds: 40, plan: { nodes: 3, change: 0.05, cut: 0.08, crash: 0.02 } }],
  [
    "stale-answers",
    {
      seeds: 60,
      plan: {
        nodes: 3,
        crash: 0.03,
        delay: 12,
        loss: 0.1,
        duplicate: 0.3,
        change: 0,
        preVote: false,
        cut: 0.08,
      },
    },
  ],
  ["two-changes", { seeds: 60, plan: { nodes: 4, change: 0.1, cut: 0.08, crash: 0.01 } }],
  ["promote-behind", { seeds: 20, plan: { nodes: 1, change: 0.1, write: 0.4 } }],
  ["keep-members-on-truncate", { seeds: 40, plan: { nodes: 3, change: 0.1, cut: 0.08 } }],
  [
    "trust-any-incarnation",
    { seeds: 60, plan: { wipe: true, change: 0, nodes: 3, cut: 0.05, loss: 0.1, crash: 0.01 } },
  ],
  ["count-own-unsynced", { seeds: 100 }],
];

for (const [fault, { seeds, plan = {} }] of ALSO_SEEN)
  test(`planted fault ${fault}, by chance`, async () => {
    const { failures } = await runSeeds({ first: 1, count: seeds, faults: [fault], plan });
    assert.equal(failures.length, 1, `${seeds} seeds saw nothing`);
  });
