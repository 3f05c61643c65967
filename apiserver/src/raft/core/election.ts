import { BOOTSTRAP_INDEX } from "./bootstrap.ts";
import { Leadership } from "./leadership.ts";
import { quorumOf } from "./members.ts";
import type { PreVote, PreVoteAnswer, Vote, VoteAnswer } from "./messages.ts";
import { appendOwn, followMembers } from "./replication.ts";
import type { RaftState } from "./state.ts";

const NO_DATA = new Uint8Array(0);

/** Starts an election, or asks first whether it could be won. */
export function startElection(state: RaftState): void {
  // The first election of a new log is always asked for: a lost log must not raise anybody's term.
  if (state.options.preVote || state.isNewLog) campaign(state, "pre-candidate", false);
  else campaign(state, "candidate", false);
}

/** The leader wants this node to take over: no question, and no loyalty to that leader. */
export function startTransferElection(state: RaftState): void {
  campaign(state, "candidate", true);
}

function campaign(state: RaftState, role: "pre-candidate" | "candidate", transfer: boolean): void {
  state.follow(state.term, undefined);
  state.role = role;
  if (role === "candidate") {
    state.setTerm(state.term + 1);
    state.vote = state.id;
  }
  const { lastIndex, lastTerm } = state.log;
  if (role === "pre-candidate") askPreVotes(state);
  else
    for (const voter of state.members.voters)
      if (voter !== state.id)
        state.send(voter, { type: "vote", lastIndex, lastTerm, transfer }, "after-sync");
  state.votes.set(state.id, true);
  tally(state);
}

/**
 * Asks those that have not said yes. A pre-candidate does so again and again: who heard the former leader a moment
 * later than this node says nothing yet, and would not be asked again before another time-out.
 */
export function askPreVotes(state: RaftState): void {
  const { lastIndex, lastTerm } = state.log;
  const body = { type: "pre-vote", forTerm: state.term + 1, lastIndex, lastTerm } as const;
  for (const voter of state.members.voters)
    if (voter !== state.id && state.votes.get(voter) !== true)
      state.send(voter, body, "after-sync");
}

function tally(state: RaftState): void {
  const counted = [...state.votes].filter(([id]) => state.counts(id));
  const granted = counted.filter(([, yes]) => yes).length;
  const quorum = quorumOf(state.members.voters);
  if (granted >= quorum) {
    if (state.role === "candidate") return becomeLeader(state);
    if (!state.breaks("pre-vote-as-vote")) return campaign(state, "candidate", false);
    state.setTerm(state.term + 1);
    state.vote = state.id;
    becomeLeader(state);
  } else if (counted.length - granted >= quorum) {
    state.follow(state.term, undefined);
  }
}

function becomeLeader(state: RaftState): void {
  state.role = "leader";
  state.leader = state.id;
  state.votes.clear();
  const leading = new Leadership(state.log.lastIndex + 1);
  state.leading = leading;
  leading.uncommittedBytes = state.log.bytesBetween(state.log.commit, state.log.lastIndex);
  leading.settledCommit = state.log.commit;
  followMembers(state, leading);
  // Only an entry of this term may be committed by counting; with it, all before it are.
  if (!state.breaks("no-no-op")) appendOwn(state, leading, [{ type: "no-op", data: NO_DATA }]);
}

/**
 * Whether elections are refused without a look, because a leader is alive: it leads itself, or has
 * heard from the leader within the shortest election timeout.
 */
export function isLoyal(state: RaftState): boolean {
  if (state.breaks("no-stickiness")) return false;
  if (!state.options.checkQuorum && !state.options.preVote) return false;
  if (state.leader === undefined) return false;
  return state.role === "leader" || state.electionElapsed < state.options.electionTicks;
}

/** See `NEW_LOG_VOTE`. */
export function isBeyondNewLog(state: RaftState, message: Vote | PreVote): boolean {
  if (state.breaks("vote-after-wipe")) return false;
  return state.isNewLog && message.lastIndex > BOOTSTRAP_INDEX;
}

export function onPreVote(state: RaftState, message: PreVote): void {
  const { forTerm, lastIndex, lastTerm } = message;
  const granted = forTerm > state.term && state.isUpToDate(lastIndex, lastTerm);
  if (granted && state.role === "pre-candidate" && goesFirst(state, message))
    state.follow(state.term, undefined);
  state.send(message.from, { type: "pre-vote-answer", forTerm, granted }, "after-sync");
}

/**
 * Two that ask at the same time would hear yes from each other, both stand, vote for themselves and wait for another
 * time-out. So one of them asks no longer once it has said yes: that with the shorter log, or the second by name.
 */
function goesFirst({ log, id }: RaftState, { from, lastIndex, lastTerm }: PreVote): boolean {
  const isEqual = lastIndex === log.lastIndex && lastTerm === log.lastTerm;
  return !isEqual || from < id;
}

export function onPreVoteAnswer(state: RaftState, message: PreVoteAnswer): void {
  if (state.role !== "pre-candidate" || message.forTerm !== state.term + 1) return;
  state.votes.set(message.from, message.granted);
  tally(state);
}

/** Votes once in a term, and for nobody whose log lacks what this one has. */
export function onVote(state: RaftState, message: Vote): void {
  const free =
    state.vote === message.from ||
    ((state.vote === "" || state.isNewLog) && state.leader === undefined);
  const upToDate =
    state.isUpToDate(message.lastIndex, message.lastTerm) || state.breaks("ignore-log-in-vote");
  const granted = (free || state.breaks("double-vote")) && upToDate;
  if (granted) {
    state.vote = message.from;
    state.electionElapsed = 0;
  }
  state.send(message.from, { type: "vote-answer", granted }, "after-sync");
}

export function onVoteAnswer(state: RaftState, message: VoteAnswer): void {
  if (state.role !== "candidate") return;
  state.votes.set(message.from, message.granted);
  tally(state);
}
