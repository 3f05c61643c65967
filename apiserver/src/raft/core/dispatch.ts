import { onCheckpointChunk } from "./checkpoint-receiver.ts";
import { onCheckpointAnswer } from "./checkpoint-sender.ts";
import {
  isBeyondNewLog,
  isLoyal,
  onPreVote,
  onPreVoteAnswer,
  onVote,
  onVoteAnswer,
  startTransferElection,
} from "./election.ts";
import { onAppend, onHeartbeat } from "./follower.ts";
import { invariant } from "./invariant.ts";
import { isMember } from "./members.ts";
import { membersPending } from "./membership.ts";
import type { RaftMessage } from "./messages.ts";
import { onAppendOk, onAppendRefused, onHeartbeatAnswer } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** Whether a message may be looked at, and its term taken over. */
export function admits(state: RaftState, message: RaftMessage): boolean {
  switch (message.type) {
    case "vote":
    case "pre-vote":
      if (!knows(state, message) || isBeyondNewLog(state, message)) return false;
      return (message.type === "vote" && message.transfer) || !isLoyal(state);
    case "append":
    case "heartbeat":
    case "checkpoint-chunk":
    case "timeout-now":
    case "retire":
      return true;
    default:
      // Whoever is no member any more has nothing to answer.
      return isMember(state.members, message.from) && knows(state, message);
  }
}

/** Whether the log the group knows stands behind the sender's id. The leader tells one that is another. */
function knows(state: RaftState, message: RaftMessage): boolean {
  const known = state.members.incarnations[message.from];
  if (!known || known === message.incarnation || state.breaks("trust-any-incarnation")) return true;
  if (state.leading && state.log.commit >= state.leading.noOpIndex && !membersPending(state))
    state.send(message.from, { type: "retire", retired: message.incarnation }, "after-sync");
  return false;
}

export function dispatch(state: RaftState, message: RaftMessage): void {
  if (message.type === "pre-vote") return onPreVote(state, message);
  if (message.type === "retire") return onRetire(state, message.retired);
  // A granted pre-vote comes from an older term, for one that nobody has begun yet.
  if (message.type === "pre-vote-answer" && message.granted) return onPreVoteAnswer(state, message);
  if (message.term > state.term) {
    const leads =
      message.type === "append" ||
      message.type === "heartbeat" ||
      message.type === "checkpoint-chunk";
    state.follow(message.term, leads ? message.from : undefined);
  } else if (message.term < state.term && !takesStale(state, message)) {
    // Perhaps a leader that does not know it was replaced, or one this node's term has overtaken.
    if (!isAnswer(message)) state.send(message.from, { type: "stale-term" }, "after-sync");
    return;
  }
  switch (message.type) {
    case "pre-vote-answer":
      return onPreVoteAnswer(state, message);
    case "vote":
      return onVote(state, message);
    case "vote-answer":
      return onVoteAnswer(state, message);
    case "append":
      hearLeader(state, message.from);
      return onAppend(state, message);
    case "heartbeat":
      hearLeader(state, message.from);
      return onHeartbeat(state, message);
    case "checkpoint-chunk":
      hearLeader(state, message.from);
      return onCheckpointChunk(state, message);
    case "timeout-now":
      if (state.mayLead && !state.leading) startTransferElection(state);
      return;
    case "stale-term":
      return;
    default:
      return onFollowerAnswer(state, message);
  }
}

/** True in any term: which log stands behind an id was decided once. */
function onRetire(state: RaftState, incarnation: number): void {
  if (incarnation > 0 && incarnation === state.options.incarnation)
    state.retire("another-incarnation");
}

function onFollowerAnswer(
  state: RaftState,
  message: Extract<
    RaftMessage,
    { type: "append-ok" | "append-refused" | "heartbeat-answer" | "checkpoint-answer" }
  >,
): void {
  const progress = state.leading?.followers.get(message.from);
  if (!progress) return;
  progress.active = true;
  progress.incarnation = message.incarnation;
  switch (message.type) {
    case "append-ok":
      return onAppendOk(state, progress, message);
    case "append-refused":
      return onAppendRefused(state, progress, message);
    case "heartbeat-answer":
      return onHeartbeatAnswer(state, progress, message.round);
    case "checkpoint-answer":
      return onCheckpointAnswer(progress, message);
  }
}

function hearLeader(state: RaftState, from: string): void {
  invariant(
    !state.leading || state.faults.size > 0,
    () => `${from} leads in term ${state.term} beside this node`,
  );
  if (state.role !== "follower" || state.leader !== from) state.follow(state.term, from);
  state.electionElapsed = 0;
}

function takesStale(state: RaftState, message: RaftMessage): boolean {
  return isAnswer(message) && state.breaks("stale-answers");
}

function isAnswer(message: RaftMessage): boolean {
  return (
    message.type.endsWith("-answer") ||
    message.type === "append-ok" ||
    message.type === "append-refused" ||
    message.type === "stale-term" ||
    message.type === "retire"
  );
}
