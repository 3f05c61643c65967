import type { PseudoRandom } from "@atlasnet/core";
import { BOOTSTRAP_INDEX, NEW_LOG_VOTE } from "./bootstrap.ts";
import type { RaftFault } from "./faults.ts";
import type { Leadership } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import { isVoter } from "./members.ts";
import { MembersHistory } from "./members-history.ts";
import type { MessageBody } from "./messages.ts";
import type { RaftOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { Checkpoint, HardState, Members, Role, StoredState } from "./types.ts";

export interface RaftDependencies {
  /** Spreads election timeouts. */
  readonly random: PseudoRandom;
  /** Rules to break: tests only. */
  readonly faults?: ReadonlySet<RaftFault>;
}

/**
 * What a node knows, shared by the parts of the protocol beside this file: each is a handful of
 * functions over it. `setTerm` is the only way to a later term.
 */
export class RaftState {
  readonly options: RaftOptions;
  readonly faults: ReadonlySet<RaftFault>;
  readonly log: RaftLog;
  readonly history: MembersHistory;
  readonly outbox: Outbox;
  private readonly random: PseudoRandom;
  term: number;
  vote: string;
  role: Role = "follower";
  leader: string | undefined;
  /** Set exactly while the role is `leader`. */
  leading: Leadership | undefined;
  /** Answers of an election by voter. */
  votes = new Map<string, boolean>();
  electionElapsed = 0;
  electionTimeout = 0;
  /** The newest checkpoint on this node's disk. */
  checkpoint: Checkpoint | undefined;
  private firstHeard: { readonly term: number; readonly commit: number } | undefined;
  /** A checkpoint that is coming in, and how much of it has come. */
  receiving: { readonly checkpoint: Checkpoint; offset: number } | undefined;
  retired: "another-incarnation" | "lost-entries" | undefined;

  constructor(options: RaftOptions, stored: StoredState, dependencies: RaftDependencies) {
    this.options = options;
    this.random = dependencies.random;
    this.faults = dependencies.faults ?? new Set();
    this.log = new RaftLog(stored.checkpoint, stored.entries);
    this.checkpoint = stored.checkpoint;
    const { checkpoint } = stored;
    this.history = new MembersHistory(checkpoint);
    this.history.add(stored.entries.filter((entry) => entry.index >= this.log.firstIndex));
    this.term = stored.hardState.term;
    this.vote = stored.hardState.vote;
    // A checkpoint may have been installed just before its term was saved; no vote was given in it.
    if (this.log.lastTerm > this.term) this.setTerm(this.log.lastTerm);
    this.outbox = new Outbox(options, stored.hardState, this.breaks("act-before-sync"));
    this.resetElection();
  }

  get id(): string {
    return this.options.id;
  }

  get members(): Members {
    return this.history.current;
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote };
  }

  /** See `NEW_LOG_VOTE`. */
  get isNewLog(): boolean {
    return this.vote === NEW_LOG_VOTE;
  }

  breaks(fault: RaftFault): boolean {
    return this.faults.has(fault);
  }

  send(to: string, body: MessageBody, when: "now" | "after-sync"): void {
    this.outbox.send(to, this.hardState, body, when);
  }

  /**
   * A leader of this term speaks and has `commit` entries committed; this log is its log up to `match`.
   * A new log counts as any other once it has all that was committed when that leader first spoke.
   */
  outgrowNewLog(commit: number, match: number): void {
    if (!this.isNewLog) return;
    if (this.firstHeard?.term !== this.term) this.firstHeard = { term: this.term, commit };
    if (match >= Math.max(this.firstHeard.commit, BOOTSTRAP_INDEX + 1)) this.vote = "";
  }

  setTerm(term: number): void {
    if (term <= this.term) return;
    this.term = term;
    if (!this.isNewLog) this.vote = "";
  }

  resetElection(): void {
    const { electionTicks } = this.options;
    this.electionElapsed = 0;
    this.electionTimeout = electionTicks + this.random.int(0, electionTicks - 1);
  }

  /** Steps down or goes on as a follower in `term`, which is this or a later one. */
  follow(term: number, leader: string | undefined): void {
    this.setTerm(term);
    for (const context of this.leading?.reads.drain() ?? [])
      this.outbox.answerRead({ context, ok: false, reason: "not-leader", leader });
    this.role = "follower";
    this.leader = leader;
    this.leading = undefined;
    this.votes.clear();
    this.resetElection();
  }

  /** Tells a leader that its log up to `match` is on this disk, once it is. */
  acknowledge(to: string, match: number): void {
    this.send(to, { type: "append-ok", match, newLog: this.isNewLog }, "after-sync");
  }

  retire(reason: "another-incarnation" | "lost-entries"): void {
    this.follow(this.term, undefined);
    this.retired = reason;
  }

  /**
   * Whether this node may stand in an election: also one whose own removal is in its log but not
   * known to be committed, for perhaps nobody else has that entry and can win.
   */
  get mayLead(): boolean {
    if (this.retired) return false;
    if (this.isNewLog && this.log.lastIndex > BOOTSTRAP_INDEX) return false;
    if (this.breaks("removed-campaigns")) return true;
    if (isVoter(this.members, this.id)) return true;
    return this.history.changedAt > this.log.commit && isVoter(this.history.previous, this.id);
  }

  /** Whether what `id` says counts for votes, commits and reads. */
  counts(id: string): boolean {
    if (this.breaks("count-learners") && this.members.learners.includes(id)) return true;
    return isVoter(this.members, id);
  }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    if (lastTerm !== this.log.lastTerm) return lastTerm > this.log.lastTerm;
    return lastIndex >= this.log.lastIndex;
  }
}
