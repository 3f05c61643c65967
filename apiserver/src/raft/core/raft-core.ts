import { admits, dispatch } from "./dispatch.ts";
import { startElection } from "./election.ts";
import { invariant } from "./invariant.ts";
import { isVoter, NO_MEMBERS } from "./members.ts";
import { changeMembers, membersPending, settleMembers } from "./membership.ts";
import type { RaftMessage } from "./messages.ts";
import { ENTRY_OVERHEAD_BYTES, type RaftSettings, resolveRaftOptions } from "./options.ts";
import { appendOwn, commitByQuorum, flush, settleReads } from "./replication.ts";
import { type RaftDependencies, RaftState } from "./state.ts";
import { tick } from "./ticks.ts";
import { transferLeadership } from "./transfer.ts";
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
    tick(state);
    this.settle();
  }

  /** Takes a message of another node. One for somebody else is dropped. */
  step(message: RaftMessage): void {
    if (message.to !== this.state.id || this.state.retired || !admits(this.state, message)) return;
    dispatch(this.state, message);
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

  /** The part of `status` that is asked for all the time. */
  get outline(): Pick<RaftStatus, "role" | "term" | "leader" | "transferTo" | "retired"> {
    const { role, term, leader, leading, retired } = this.state;
    return { role, term, leader, transferTo: leading?.transfer?.to, retired };
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
}
