import { sendChunk } from "./checkpoint-sender.ts";
import { invariant } from "./invariant.ts";
import type { Leadership } from "./leadership.ts";
import { entryBytes } from "./log.ts";
import { allMembers, quorumOf, quorumValue } from "./members.ts";
import type { AppendOk, AppendRefused } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";
import { pushTransfer } from "./transfer.ts";
import type { Entry } from "./types.ts";

/** Puts entries of this term at the end of the leader's log. They leave with the next `flush`. */
export function appendOwn(
  state: RaftState,
  leading: Leadership,
  items: readonly Pick<Entry, "type" | "data">[],
): void {
  const entries = items.map(({ type, data }, at) => ({
    term: state.term,
    index: state.log.lastIndex + 1 + at,
    type,
    data,
  }));
  state.log.append(entries);
  state.history.add(entries);
  for (const entry of entries) leading.uncommittedBytes += entryBytes(entry);
}

/** Keeps track of exactly the other members. */
export function followMembers(state: RaftState, leading: Leadership): void {
  const others = allMembers(state.members).filter((id) => id !== state.id);
  leading.setFollowers(others, state.log.lastIndex + 1);
}

/** Sends every follower what it lacks, as far as its window allows, and news of commits. */
export function flush(state: RaftState, leading: Leadership): void {
  for (const progress of leading.followers.values()) {
    sendEntries(state, progress);
    tellCommit(state, progress);
  }
}

function sendEntries(state: RaftState, progress: Progress): void {
  const { options, log } = state;
  if (progress.mode === "checkpoint") return sendChunk(state, progress);
  if (log.termAt(progress.next - 1) === undefined) {
    const checkpoint = state.checkpoint;
    invariant(
      checkpoint !== undefined,
      () => `entry ${progress.next} is gone without a checkpoint`,
    );
    progress.send(checkpoint);
    return sendChunk(state, progress);
  }
  if (progress.mode === "probe") {
    if (progress.probing) return;
    progress.probing = true;
    sendAppend(state, progress, takeBatch(state, progress));
    return;
  }
  while (
    progress.next <= log.lastIndex &&
    progress.hasRoom(options.maxInflightMessages, options.maxInflightBytes)
  ) {
    const batch = takeBatch(state, progress);
    sendAppend(state, progress, batch);
    progress.sent(
      progress.next + batch.length - 1,
      batch.reduce((sum, entry) => sum + entryBytes(entry), 0),
    );
    progress.checkGap = false;
  }
  if (progress.checkGap) {
    progress.checkGap = false;
    sendAppend(state, progress, []);
  }
}

function takeBatch(state: RaftState, progress: Progress): readonly Entry[] {
  const { maxBatchBytes, maxBatchEntries } = state.options;
  return state.log.slice(progress.next, state.log.lastIndex, maxBatchBytes, maxBatchEntries);
}

function sendAppend(state: RaftState, progress: Progress, entries: readonly Entry[]): void {
  const prevIndex = progress.next - 1;
  const prevTerm = state.log.termAt(prevIndex);
  invariant(prevTerm !== undefined, () => `append to ${progress.id} behind the log's start`);
  const { commit } = state.log;
  progress.toldCommit = Math.max(progress.toldCommit, Math.min(commit, prevIndex + entries.length));
  state.send(progress.id, { type: "append", prevIndex, prevTerm, entries, commit }, "now");
}

/** A follower that has committed entries and does not know it learns it without waiting for a heartbeat. */
function tellCommit(state: RaftState, progress: Progress): void {
  const commit = Math.min(progress.match, state.log.commit);
  if (commit <= progress.toldCommit) return;
  sendHeartbeat(state, progress, 0);
}

export function sendHeartbeat(state: RaftState, progress: Progress, round: number): void {
  const { match } = progress;
  const commit = Math.min(match, state.log.commit);
  progress.toldCommit = commit;
  state.send(progress.id, { type: "heartbeat", match, commit, round }, "now");
}

/** A new round of heartbeats; reads that wait go with it. */
export function beginRound(state: RaftState, leading: Leadership): void {
  leading.heartbeatElapsed = 0;
  leading.round++;
  if (readsMayStart(state, leading)) leading.reads.begin(leading.round, state.log.commit);
  for (const progress of leading.followers.values()) sendHeartbeat(state, progress, leading.round);
}

/** Until the no-op is committed a leader does not know which entries are. */
export function readsMayStart(state: RaftState, leading: Leadership): boolean {
  return state.log.commit >= leading.noOpIndex || state.breaks("read-before-no-op");
}

export function onAppendOk(state: RaftState, progress: Progress, message: AppendOk): void {
  const { log } = state;
  invariant(
    message.match <= log.lastIndex || state.faults.size > 0,
    () => `${message.from} acknowledges ${message.match} of ${log.lastIndex} entries`,
  );
  if (state.breaks("match-moves-back")) progress.match = Math.min(progress.match, message.match);
  progress.votes ||= !message.newLog;
  const news = progress.acknowledged(message.match);
  if (progress.mode === "probe" && (news || message.match === progress.match)) progress.replicate();
  if (progress.mode === "checkpoint") leaveCheckpoint(state, progress);
  pushTransfer(state, progress);
}

/** The log reaches back to the follower, or what it was sent has arrived and a newer one must follow. */
function leaveCheckpoint(state: RaftState, progress: Progress): void {
  if (state.log.termAt(progress.match) !== undefined) progress.replicate();
  else if (progress.match >= (progress.sending?.checkpoint.index ?? 0))
    progress.probeFrom(progress.match + 1);
}

export function onAppendRefused(
  state: RaftState,
  progress: Progress,
  message: AppendRefused,
): void {
  if (progress.mode === "checkpoint") return;
  // An answer that is late says nothing: what it refuses has since been acknowledged, or asked anew.
  if (message.prevIndex <= progress.match) return;
  if (progress.mode === "probe" && message.prevIndex !== progress.next - 1) return;
  const agree = state.log.lastAtMost(message.hintIndex, message.hintTerm);
  const next = Math.max(progress.match + 1, Math.min(message.prevIndex, agree + 1));
  progress.probeFrom(next);
}

/** Any answer to a heartbeat: the line works, so what was not answered may have been lost. */
export function onHeartbeatAnswer(state: RaftState, progress: Progress, round: number): void {
  progress.round = Math.max(progress.round, round);
  if (state.breaks("never-retry")) return;
  if (progress.mode === "probe") progress.probing = false;
  if (progress.mode === "replicate" && progress.match < progress.next - 1) progress.checkGap = true;
  if (progress.sending?.heartbeatsSince !== undefined) progress.sending.heartbeatsSince++;
}

/**
 * Commits what a quorum has on disk, but counts only entries of this term: one of an older term
 * could still be replaced by a leader that never saw it (section 5.4.2 of the paper).
 */
export function commitByQuorum(state: RaftState, leading: Leadership): void {
  const { log } = state;
  const matchOf = (id: string) => {
    if (id !== state.id) return leading.followers.get(id)?.match ?? 0;
    return state.breaks("count-own-unsynced") ? log.lastIndex : log.stable;
  };
  const index = state.breaks("count-learners")
    ? countingLearners(state, matchOf)
    : quorumValue(state.members.voters, matchOf);
  if (index <= log.commit) return;
  if (log.termAt(index) !== state.term && !state.breaks("commit-old-terms")) return;
  const committed = log.bytesBetween(log.commit, index);
  leading.uncommittedBytes = Math.max(0, leading.uncommittedBytes - committed);
  log.commit = index;
}

/** The planted fault: as many as a quorum of voters, whoever they are. */
function countingLearners(state: RaftState, matchOf: (id: string) => number): number {
  const matches = allMembers(state.members).map(matchOf);
  matches.sort((a, b) => b - a);
  return matches[quorumOf(state.members.voters) - 1] ?? 0;
}

/** Answers the reads whose round a quorum has confirmed. */
export function settleReads(state: RaftState, leading: Leadership): void {
  const { reads } = leading;
  if (state.breaks("read-joins-open-round") && reads.hasOpen)
    reads.begin(leading.round, state.log.commit);
  if (reads.hasWaiting && !reads.hasOpen && readsMayStart(state, leading))
    beginRound(state, leading);
  const round = state.breaks("read-without-round")
    ? leading.round
    : quorumValue(state.members.voters, (id) =>
        id === state.id ? leading.round : (leading.followers.get(id)?.round ?? 0),
      );
  for (const { context, index } of reads.confirmed(round))
    state.outbox.answerRead({ context, ok: true, index });
}
