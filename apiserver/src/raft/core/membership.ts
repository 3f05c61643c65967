import type { Leadership } from "./leadership.ts";
import {
  allMembers,
  isMember,
  isVoter,
  makeMembers,
  quorumOf,
  withLearner,
  without,
  withPromoted,
} from "./members.ts";
import { encodeMembers } from "./members-codec.ts";
import { MAX_MEMBERS } from "./options.ts";
import type { Progress } from "./progress.ts";
import { appendOwn, followMembers } from "./replication.ts";
import type { RaftState } from "./state.ts";
import type { ChangeResult, MemberChange, Members } from "./types.ts";

type Refusal = Extract<ChangeResult, { ok: false }>["reason"];

/**
 * Changes the members by one. Any majority of the old members and any of the new ones share a node
 * then, provided that only one change is under way and that the leader's own term has begun with a
 * committed entry: an older, half replicated change may still be out there before.
 */
export function changeMembers(state: RaftState, change: MemberChange): ChangeResult {
  const { leading, leader } = state;
  if (!leading) return { ok: false, reason: "not-leader", leader };
  const reason = refusal(state, leading, change);
  if (reason) return { ok: false, reason, leader };
  propose(state, leading, changed(state.members, change));
  return { ok: true, index: state.log.lastIndex, term: state.term };
}

/** What follows from commits, once for each: the leader's own removal, and incarnations to record. */
export function settleMembers(state: RaftState, leading: Leadership): void {
  const { log } = state;
  if (log.commit < leading.noOpIndex || membersPending(state)) return;
  if (log.commit > leading.settledCommit) {
    leading.settledCommit = log.commit;
    if (!isVoter(state.members, state.id)) return state.follow(state.term, undefined);
  }
  recordIncarnations(state, leading);
}

export function membersPending(state: RaftState): boolean {
  return state.history.changedAt > state.log.commit;
}

function refusal(state: RaftState, leading: Leadership, change: MemberChange): Refusal | undefined {
  const { members } = state;
  if (leading.transfer) return "not-ready";
  if (state.log.commit < leading.noOpIndex && !state.breaks("change-before-no-op"))
    return "not-ready";
  if (membersPending(state) && !state.breaks("two-changes")) return "change-pending";
  switch (change.type) {
    case "add-learner":
      if (isMember(members, change.id)) return "already-member";
      return allMembers(members).length >= MAX_MEMBERS ? "too-many" : undefined;
    case "promote":
      if (!members.learners.includes(change.id)) return "not-a-learner";
      return isBehind(state, leading, change.id) ? "behind" : undefined;
    case "remove":
      if (!isMember(members, change.id)) return "not-a-member";
      if (members.voters.length === 1 && isVoter(members, change.id)) return "last-voter";
      return leavesQuorum(state, leading, without(members, change.id)) ? undefined : "behind";
  }
}

/** A majority of those who stay has followed this leader: it can go on without the other. */
function leavesQuorum(state: RaftState, leading: Leadership, members: Members): boolean {
  const following = members.voters.filter(
    (id) => id === state.id || hasFollowed(leading, leading.followers.get(id)),
  );
  return following.length >= quorumOf(members.voters);
}

/** While its log is new (`NEW_LOG_VOTE`) it does not vote, and as a voter would be in the way. */
function hasFollowed(leading: Leadership, progress: Progress | undefined): boolean {
  return progress?.votes === true && progress.match >= leading.noOpIndex;
}

function isBehind(state: RaftState, leading: Leadership, id: string): boolean {
  if (state.breaks("promote-behind")) return false;
  const progress = leading.followers.get(id);
  if (!progress || !hasFollowed(leading, progress)) return true;
  return progress.match + state.options.promotionLag < state.log.lastIndex;
}

function changed(members: Members, change: MemberChange): Members {
  switch (change.type) {
    case "add-learner":
      return withLearner(members, change.id, change.incarnation ?? 0);
    case "promote":
      return withPromoted(members, change.id);
    case "remove":
      return without(members, change.id);
  }
}

function propose(state: RaftState, leading: Leadership, members: Members): void {
  appendOwn(state, leading, [{ type: "members", data: encodeMembers(members) }]);
  followMembers(state, leading);
}

/** Writes down which logs stand behind ids that were only names so far; changes no majority. */
function recordIncarnations(state: RaftState, leading: Leadership): void {
  const { members } = state;
  const heard: Record<string, number> = {};
  for (const id of allMembers(members)) {
    if (members.incarnations[id]) continue;
    const incarnation =
      id === state.id ? state.options.incarnation : (leading.followers.get(id)?.incarnation ?? 0);
    if (incarnation > 0) heard[id] = incarnation;
  }
  if (Object.keys(heard).length === 0) return;
  const incarnations = { ...members.incarnations, ...heard };
  propose(state, leading, makeMembers(members.voters, members.learners, incarnations));
}
