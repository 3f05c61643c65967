import { makeMembers } from "./members.ts";
import { encodeMembers } from "./members-codec.ts";
import type { StoredState } from "./types.ts";

/** Index and term of the entry that names the first members. */
export const BOOTSTRAP_INDEX = 1;
export const BOOTSTRAP_TERM = 1;

/**
 * The vote of a log that no group has reached yet: it is new, or the old one was lost, and nobody can
 * tell which. Such a node votes only for candidates whose logs are as new, so that a node that lost
 * its log cannot help to elect one that lacks what the lost log had. The mark is kept until the node
 * votes, or has all that a leader had committed when it first spoke to it.
 */
export const NEW_LOG_VOTE = "(new log)";

/**
 * What every first voter of a new group writes into its log before it starts. All of them must be
 * given the same ids, for nobody compares these entries. A node that joins later starts from `EMPTY_STATE`.
 */
export function bootstrapState(voters: readonly string[]): StoredState {
  return {
    hardState: { term: BOOTSTRAP_TERM, vote: NEW_LOG_VOTE },
    checkpoint: undefined,
    entries: [
      {
        term: BOOTSTRAP_TERM,
        index: BOOTSTRAP_INDEX,
        type: "members",
        data: encodeMembers(makeMembers(voters)),
      },
    ],
  };
}

/** What a node starts from that an existing group adds as a learner. */
export const EMPTY_STATE: StoredState = {
  hardState: { term: 0, vote: NEW_LOG_VOTE },
  checkpoint: undefined,
  entries: [],
};
