import { onCheckpointChunk } from "./checkpoint-receiver.ts";
import { onCheckpointAnswer } from "./checkpoint-sender.ts";
import {
  isBeyondNewLog,
  isLoyal,
  onPreVote,
  onPreVoteAnswer,
  onVote,
  onVoteAnswer,
  startElection,
  startTransferElection,
} from "./election.ts";
import { onAppend, onHeartbeat } from "./follower.ts";
import { invariant } from "./invariant.ts";
import { isMember, isVoter, NO_MEMBERS, quorumOf } from "./members.ts";
import { changeMembers, membersPending, settleMembers } from "./membership.ts";
import type { RaftMessage } from "./messages.ts";
import { ENTRY_OVERHEAD_BYTES, type RaftSettings, resolveRaftOptions } from "./options.ts";
import {
  appendOwn,
  beginRound,
  commitByQuorum,
  flush,
  onAppendOk,
  onAppendRefused,
  onHeartbeatAnswer,
  settleReads,
} from "./replication.ts";
import { type RaftDependencies, RaftState } from "./state.ts";
import { tickTransfer, transferLeadership } from "./transfer.ts";
import type {
  ChangeResult,
  Checkpoint,
  Entry,
  MemberChange,
  Members,
  ProposeResult,
  RaftStatus,
  Ready,
  StoredState,
  TransferResult,
} from "./types.ts";

/**
 * One member of a Raft group, without clock, disk or network: messages and ticks go in, a `Ready`
 * with everything to be done comes out (types.ts says in which order). All methods are synchronous.
 *
 * 1. One Ready is outstanding at a time; stepping goes on meanwhile.
 * 2. A leader's appends leave before its own disk has them; its own copy counts after the sync.
 * 3. A broken invariant throws `RaftInvariantError`: the node must stop.
 */
export class RaftCore {
  private readonly state: RaftState;
  private outstanding: Ready | undefined;

  /** @throws RangeError for settings that cannot work. */
  constructor(settings: RaftSettings, stored: StoredState, dependencies: RaftDependencies) {
    this.state = new RaftState(resolveRaftOptions(settings), stored, dependencies);
  }

  /** Time passes; call it at a steady pace. */
  tick(): void {
    const { state } = this;
    if (state.retired) return;
    state.electionElapsed++;
    if (state.leading) this.tickLeader();
    else if (state.electionElapsed >= state.electionTimeout && state.mayLead) startElection(state);
    this.settle();
  }

  /** Takes a message of another node. One for somebody else is dropped. */
  step(message: RaftMessage): void {
    if (message.to !== this.state.id || this.state.retired || !this.admits(message)) return;
    this.dispatch(message);
    this.settle();
  }

  /** Appends commands to the log, all or none. They count once a Ready has them as committed. */
  propose(commands: readonly Uint8Array[]): ProposeResult {
    const { leading, leader, options, log, term } = this.state;
    if (!leading) return { ok: false, reason: "not-leader", leader };
    if (commands.some((command) => command.length > options.maxEntryBytes))
      return { ok: false, reason: "too-large", leader };
    const bytes = commands.reduce((sum, { length }) => sum + length + ENTRY_OVERHEAD_BYTES, 0);
    const over = leading.uncommittedBytes + bytes > options.maxUncommittedBytes;
    // What alone is over the bound passes when nothing else waits, or it never would.
    if (leading.transfer || (over && leading.uncommittedBytes > 0))
      return { ok: false, reason: "busy", leader };
    const firstIndex = log.lastIndex + 1;
    appendOwn(
      this.state,
      leading,
      commands.map((data) => ({ type: "command" as const, data })),
    );
    return { ok: true, firstIndex, term };
  }

  /** Asks for an index that a linearizable read needs to be applied; `Ready.reads` has the answer. */
  readIndex(context: number): void {
    const { leading, leader, options, outbox } = this.state;
    if (!leading) outbox.answerRead({ context, ok: false, reason: "not-leader", leader });
    else if (leading.reads.size >= options.maxPendingReads)
      outbox.answerRead({ context, ok: false, reason: "busy", leader });
    else leading.reads.add(context);
  }

  /** Adds, promotes or removes one member. Done when the entry at the answer's index is applied. */
  changeMembers(change: MemberChange): ChangeResult {
    return changeMembers(this.state, change);
  }

  /** Hands leadership over. It is given up again when it has not worked within `electionTicks`. */
  transferLeadership(to: string): TransferResult {
    return transferLeadership(this.state, to);
  }

  /** Starts an election without waiting for the timeout, e.g. when a group is new. */
  campaign(): void {
    if (this.state.leading || !this.state.mayLead) return;
    startElection(this.state);
    this.settle();
  }

  /**
   * What a checkpoint of the applied state at `index` has to record beside it.
   * @throws RaftInvariantError for an index that is not applied, or no longer in the log.
   */
  checkpointAt(index: number): Omit<Checkpoint, "size"> {
    const { log, history } = this.state;
    const term = log.termAt(index);
    invariant(
      term !== undefined && index <= log.applied,
      () =>
        `no checkpoint of ${index} can be made: ${log.firstIndex} to ${log.applied} are applied`,
    );
    const members = this.state.breaks("checkpoint-without-members")
      ? NO_MEMBERS
      : history.at(index);
    return { index, term, members };
  }

  /** A checkpoint is durable: entries it covers may go. Ignored when a newer one is here. */
  compact(checkpoint: Checkpoint): void {
    const { state } = this;
    if (checkpoint.index <= (state.checkpoint?.index ?? 0)) return;
    invariant(
      checkpoint.index <= state.log.applied,
      () => `checkpoint ${checkpoint.index} is ahead of ${state.log.applied}, which is applied`,
    );
    state.checkpoint = checkpoint;
    state.log.compact(checkpoint.index, state.options.trailingBytes);
    state.history.compact(state.log.firstIndex - 1);
  }

  /** Checkpoints that are on their way to followers: their bytes must stay readable. */
  checkpointsInUse(): readonly number[] {
    const followers = this.state.leading?.followers.values() ?? [];
    const sending = [...followers].map((progress) => progress.sending?.checkpoint.index);
    return [...new Set(sending.filter((index) => index !== undefined))];
  }

  /** The bytes for a chunk could not be read: begin again with the newest checkpoint. */
  checkpointUnreadable(to: string): void {
    const progress = this.state.leading?.followers.get(to);
    if (progress?.mode === "checkpoint" && this.state.checkpoint)
      progress.send(this.state.checkpoint);
  }

  hasReady(): boolean {
    const { state } = this;
    if (this.outstanding) return false;
    this.flush();
    return (
      !state.outbox.isEmpty ||
      state.log.hasUnstable ||
      state.log.applying < state.log.commit ||
      state.outbox.hasNewHardState(state.hardState)
    );
  }

  /** What is to be done. @throws RaftInvariantError while the last Ready is not advanced. */
  ready(): Ready {
    const { state } = this;
    invariant(!this.outstanding, () => "the last Ready was not advanced");
    this.flush();
    const effects = state.outbox.take(state.hardState);
    const { hardState } = effects;
    const { truncateFrom, entries } = state.log.takeUnstable();
    const committed = state.log.takeCommitted(state.options.maxCommittedBytes);
    const forgets = hardState && state.breaks("forget-vote");
    this.outstanding = {
      chunks: effects.chunks,
      checkpoint: effects.checkpoint,
      messagesNow: effects.messagesNow,
      messagesAfterSync: effects.messagesAfterSync,
      reads: effects.reads,
      hardState: forgets ? { ...hardState, vote: "" } : hardState,
      truncateFrom,
      entries,
      committed,
    };
    return this.outstanding;
  }

  /** The Ready was carried out in full. */
  advance(ready: Ready): void {
    const { state } = this;
    invariant(ready === this.outstanding, () => "another Ready is outstanding");
    this.outstanding = undefined;
    state.outbox.advance();
    state.log.advance(ready.committed.at(-1)?.index ?? ready.checkpoint?.index ?? 0);
    this.settle();
  }

  /** Messages that depend on nothing unsynced, also while a Ready is outstanding. */
  takeMessagesNow(): readonly RaftMessage[] {
    const { state } = this;
    this.flush();
    return state.outbox.takeNow();
  }

  /** An entry of the log, unless only the checkpoint has it, or nothing. */
  entryAt(index: number): Entry | undefined {
    return this.state.log.get(index);
  }

  get members(): Members {
    return this.state.members;
  }

  get status(): RaftStatus {
    const { state } = this;
    const { log, leading } = state;
    return {
      id: state.id,
      role: state.role,
      term: state.term,
      vote: state.isNewLog ? "" : state.vote,
      leader: state.leader,
      newLog: state.isNewLog,
      commit: log.commit,
      applied: log.applied,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      stableIndex: log.stable,
      firstIndex: log.firstIndex,
      checkpointIndex: state.checkpoint?.index ?? 0,
      members: state.members,
      membersPending: membersPending(state),
      transferTo: leading?.transfer?.to,
      uncommittedBytes: leading?.uncommittedBytes ?? 0,
      pendingReads: leading?.reads.size ?? 0,
      followers: [...(leading?.followers.values() ?? [])].map((progress) =>
        progress.status(isVoter(state.members, progress.id)),
      ),
      retired: state.retired,
    };
  }

  private tickLeader(): void {
    const { state } = this;
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

  /** Whether a message may be looked at, and its term taken over. */
  private admits(message: RaftMessage): boolean {
    const { state } = this;
    switch (message.type) {
      case "vote":
      case "pre-vote":
        if (!this.knows(message) || isBeyondNewLog(state, message)) return false;
        return (message.type === "vote" && message.transfer) || !isLoyal(state);
      case "append":
      case "heartbeat":
      case "checkpoint-chunk":
      case "timeout-now":
      case "retire":
        return true;
      default:
        // Whoever is no member any more has nothing to answer.
        return isMember(state.members, message.from) && this.knows(message);
    }
  }

  /** Whether the log the group knows stands behind the sender's id. The leader tells one that is another. */
  private knows(message: RaftMessage): boolean {
    const { state } = this;
    const known = state.members.incarnations[message.from];
    if (!known || known === message.incarnation || state.breaks("trust-any-incarnation"))
      return true;
    if (state.leading && state.log.commit >= state.leading.noOpIndex && !membersPending(state))
      state.send(message.from, { type: "retire", retired: message.incarnation }, "after-sync");
    return false;
  }

  private dispatch(message: RaftMessage): void {
    const { state } = this;
    if (message.type === "pre-vote") return onPreVote(state, message);
    if (message.type === "retire") return this.onRetire(message.retired);
    // A granted pre-vote comes from an older term, for one that nobody has begun yet.
    if (message.type === "pre-vote-answer" && message.granted)
      return onPreVoteAnswer(state, message);
    if (message.term > state.term) {
      const leads =
        message.type === "append" ||
        message.type === "heartbeat" ||
        message.type === "checkpoint-chunk";
      state.follow(message.term, leads ? message.from : undefined);
    } else if (message.term < state.term && !this.takesStale(message)) {
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
        this.hearLeader(message.from);
        return onAppend(state, message);
      case "heartbeat":
        this.hearLeader(message.from);
        return onHeartbeat(state, message);
      case "checkpoint-chunk":
        this.hearLeader(message.from);
        return onCheckpointChunk(state, message);
      case "timeout-now":
        if (state.mayLead && !state.leading) startTransferElection(state);
        return;
      case "stale-term":
        return;
      default:
        return this.onFollowerAnswer(message);
    }
  }

  /** True in any term: which log stands behind an id was decided once. */
  private onRetire(incarnation: number): void {
    const { state } = this;
    if (incarnation > 0 && incarnation === state.options.incarnation)
      state.retire("another-incarnation");
  }

  private onFollowerAnswer(
    message: Extract<
      RaftMessage,
      { type: "append-ok" | "append-refused" | "heartbeat-answer" | "checkpoint-answer" }
    >,
  ): void {
    const { state } = this;
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

  private hearLeader(from: string): void {
    const { state } = this;
    invariant(
      !state.leading || state.faults.size > 0,
      () => `${from} leads in term ${state.term} beside this node`,
    );
    if (state.role !== "follower" || state.leader !== from) state.follow(state.term, from);
    state.electionElapsed = 0;
  }

  /** Messages are made as late as possible: what was proposed since the last time shares them. */
  private flush(): void {
    const { state } = this;
    if (!state.leading) return;
    settleReads(state, state.leading);
    flush(state, state.leading);
  }

  /** Draws the consequences of what has changed. */
  private settle(): void {
    const { state } = this;
    if (!state.leading) return;
    commitByQuorum(state, state.leading);
    settleMembers(state, state.leading);
    if (state.leading) settleReads(state, state.leading);
  }

  private takesStale(message: RaftMessage): boolean {
    return isAnswer(message) && this.state.breaks("stale-answers");
  }
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
