import type { Clock } from "@atlasnet/core";
import type { RaftCore } from "../core/raft-core.ts";
import type { Entry, MemberChange, ProposeResult, ReadAnswer } from "../core/types.ts";
import { AppliedWaiters } from "./applied-waiters.ts";
import { RaftError } from "./raft-error.ts";
import type { RunnerOptions } from "./runner-options.ts";
import { TransferWatch } from "./transfer-watch.ts";
import { type Position, WaitingProposals } from "./waiting-proposals.ts";
import { type ReadResult, WaitingReads } from "./waiting-reads.ts";

/** What requests need of the member that they are made to. */
export interface RequestedMember {
  readonly core: Pick<RaftCore, "readIndex" | "changeMembers" | "transferLeadership">;
  isRunning(): boolean;
  /** What its state machine has taken in. */
  appliedIndex(): number;
  propose(command: Uint8Array): ProposeResult | undefined;
  /** For calls into the core: undefined when this node does not run, or when the core failed at it. */
  guarded<T>(call: () => T): T | undefined;
}

/**
 * Who waits for something of this member: that an entry is committed and applied, that a read may be served,
 * that another one leads. Each wait ends, at the latest at its deadline or when the member stops; a transfer of
 * leadership, which has none here, when the core gives it up.
 */
export class RunnerRequests {
  private readonly options: Pick<RunnerOptions, "maxWaitingProposals" | "requestTimeoutMs">;
  private readonly member: RequestedMember;
  private readonly clock: Clock;
  private readonly proposals = new WaitingProposals();
  private readonly reads = new WaitingReads();
  private readonly appliedWaiters = new AppliedWaiters();
  private readonly transfer = new TransferWatch();

  constructor(
    options: Pick<RunnerOptions, "maxWaitingProposals" | "requestTimeoutMs">,
    member: RequestedMember,
    clock: Clock,
  ) {
    this.options = options;
    this.member = member;
    this.clock = clock;
  }

  get figures() {
    return { waitingProposals: this.proposals.size, waitingReads: this.reads.size };
  }

  /** See the runner, as with those below. */
  async submit(command: Uint8Array): Promise<Position> {
    const { maxWaitingProposals } = this.options;
    if (this.proposals.size >= maxWaitingProposals)
      throw new RaftError("busy", `${maxWaitingProposals} proposals wait here already`);
    const result = this.member.propose(command);
    if (result === undefined) throw stopped();
    if (!result.ok)
      throw new RaftError(
        result.reason,
        `the command was not taken: ${result.reason}`,
        result.leader,
      );
    return await this.committed({ index: result.firstIndex, term: result.term });
  }

  async readIndex(): Promise<ReadResult> {
    const { context, answer } = this.reads.add(this.deadline());
    const { member } = this;
    const asked = member.guarded(() => {
      member.core.readIndex(context);
      return true;
    });
    if (asked === undefined) this.reads.stop();
    return await answer;
  }

  applied(index: number): Promise<void> {
    if (!this.member.isRunning()) return Promise.reject(stopped());
    if (index <= this.member.appliedIndex()) return Promise.resolve();
    return this.appliedWaiters.add(index, this.deadline());
  }

  async changeMembers(change: MemberChange): Promise<Position> {
    const { member } = this;
    const result = member.guarded(() => member.core.changeMembers(change));
    if (result === undefined) throw stopped();
    if (!result.ok)
      throw new RaftError(
        result.reason,
        `${change.type} of ${change.id} is not possible: ${result.reason}`,
        result.leader,
      );
    return await this.committed(result);
  }

  async transferLeadership(to: string): Promise<void> {
    const { member } = this;
    const result = member.guarded(() => member.core.transferLeadership(to));
    if (result === undefined) throw stopped();
    if (!result.ok) {
      if (result.reason === "already-leader") return;
      throw new RaftError(
        result.reason,
        `leadership cannot go to ${to}: ${result.reason}`,
        result.leader,
      );
    }
    await this.transfer.begin(to);
  }

  /** The state machine has taken in these entries, and with them everything up to `index`. */
  reached(entries: readonly Entry[], index: number): void {
    this.proposals.applied(entries);
    this.appliedWaiters.reached(index);
  }

  /** A checkpoint took the place of everything up to `index`. */
  jumped(index: number): void {
    this.proposals.jumped(index);
    this.appliedWaiters.reached(index);
  }

  answered(answers: readonly ReadAnswer[]): void {
    this.reads.answered(answers);
  }

  /** Who leads may have changed. */
  look(now: Pick<RaftCore["outline"], "leader" | "transferTo">): void {
    this.transfer.look(now);
  }

  expire(now: number, leader: string | undefined): void {
    this.proposals.expire(now);
    this.reads.expire(now, leader);
    this.appliedWaiters.expire(now);
  }

  stop(why: string): void {
    this.proposals.failAll(why);
    this.reads.stop();
    this.appliedWaiters.stop();
    this.transfer.stop();
  }

  private committed(position: Position): Promise<Position> {
    return this.proposals.add(position, this.deadline());
  }

  private deadline(): number {
    return this.clock.now() + this.options.requestTimeoutMs;
  }
}

function stopped(): RaftError {
  return new RaftError("stopped", "this node takes no part in its group any more");
}
