import { askPreVotes, startElection } from "./election.ts";
import { quorumOf } from "./members.ts";
import { beginRound } from "./replication.ts";
import type { RaftState } from "./state.ts";
import { tickTransfer } from "./transfer.ts";

/** Time passes: elections are due, or heartbeats, or a look whether a quorum still answers. */
export function tick(state: RaftState): void {
  state.electionElapsed++;
  if (state.leading) tickLeader(state);
  else if (state.electionElapsed >= state.electionTimeout && state.mayLead) startElection(state);
  else if (state.role === "pre-candidate" && state.mayLead && isAskedAgain(state))
    askPreVotes(state);
}

function isAskedAgain({ electionElapsed, options }: RaftState): boolean {
  return electionElapsed % options.heartbeatTicks === 0;
}

function tickLeader(state: RaftState): void {
  const { leading, options } = state;
  if (!leading) return;
  tickTransfer(state);
  leading.quorumElapsed++;
  leading.heartbeatElapsed++;
  if (leading.quorumElapsed >= options.electionTicks) {
    leading.quorumElapsed = 0;
    const active = state.members.voters.filter(
      (id) => id === state.id || leading.followers.get(id)?.active,
    );
    for (const progress of leading.followers.values()) progress.active = false;
    const checks = options.checkQuorum && !state.breaks("no-check-quorum");
    if (checks && active.length < quorumOf(state.members.voters)) {
      state.follow(state.term, undefined);
      return;
    }
  }
  if (leading.heartbeatElapsed >= options.heartbeatTicks) beginRound(state, leading);
}
