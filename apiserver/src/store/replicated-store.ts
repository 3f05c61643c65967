import {
  type Clock,
  ControlError,
  type ControlStore,
  type ControlWatch,
  checkRange,
  checkTxn,
  checkWatch,
  hexOf,
  type LeaderInfo,
  LinkError,
  type RangeRequest,
  type RangeResult,
  type Revision,
  type SecureRandom,
  type TxnRequest,
  type TxnResult,
  type WatchEvents,
  type WatchRequest,
} from "@atlasnet/core";
import type { CheckpointDecoder } from "./checkpoint-decoder.ts";
import { type Command, encodeCommand } from "./commands.ts";
import { Deadlines } from "./deadlines.ts";
import { DEFAULT_MAX_WATCHES } from "./limits.ts";
import { PushedWatch } from "./pushed-watch.ts";
import { ReadBarrier } from "./read-barrier.ts";
import type { LogConsumer, ReplicatedLog } from "./replicated-log.ts";
import {
  type FrozenState,
  type LogEntry,
  StateMachine,
  type StateMachineOptions,
} from "./state-machine.ts";
import { decidedError, type Obstacle, stoppedError, undecidedError } from "./store-errors.ts";
import { Submission } from "./submission.ts";
import { TxnBatcher } from "./txn-batcher.ts";
import { type HubWatch, WatchHub } from "./watch-hub.ts";

export interface ReplicatedStoreOptions {
  /** Longest time until a transaction or a linearizable read is answered, also with an error. */
  readonly timeoutMs?: number;
  /** Transactions and reads that wait; the next are refused with "busy". */
  readonly maxPending?: number;
  readonly maxWatches?: number;
  readonly machine?: StateMachineOptions;
}

export interface ReplicatedStoreDependencies {
  readonly log: ReplicatedLog;
  readonly clock: Clock;
  readonly random: SecureRandom;
  /** Asked on the leader when it takes in a transaction that names leases. */
  readonly holdsLease: (node: string) => boolean;
  /**
   * Hands a transaction to the leader's `takeIn`. A rejection means that nobody knows whether it was taken
   * in. Without it only the leader takes transactions.
   */
  readonly forward?: (leader: LeaderInfo, request: TxnRequest) => Promise<TakenIn>;
  /** Why nothing can be decided now, where the log knows more than who leads: for those who waited in vain. */
  readonly obstacle?: () => Obstacle | undefined;
}

/** The leader's answer to a transaction that came from another apiserver. */
export type TakenIn =
  | { readonly ok: true; readonly result: TxnResult }
  | { readonly ok: false; readonly code: "not-leader" };

export const DEFAULT_REQUEST_TIMEOUT_MS = 1800;
const DEFAULT_MAX_PENDING = 20_000;
/** Pause before a transaction is tried again that nobody took in. */
const RETRY_PAUSE_MS = 25;

/**
 * The control store over a replicated log. Any node takes requests; transactions go to the leader, which
 * batches them.
 *
 * 1. A transaction is answered after it was applied here, on the leader; a retry gets the first answer.
 * 2. A transaction is proposed again only when it cannot be applied any more by the first proposal, or
 *    when it has an id. Forwarded ones always have one.
 * 3. Every request is answered within the time-out.
 */
export class ReplicatedStore implements ControlStore, LogConsumer {
  private readonly options: Required<Omit<ReplicatedStoreOptions, "machine">>;
  private readonly machineOptions: StateMachineOptions;
  private readonly dependencies: ReplicatedStoreDependencies;
  private readonly batcher: TxnBatcher;
  private readonly barrier: ReadBarrier;
  private readonly deadlines: Deadlines;
  private readonly hub: WatchHub;
  private readonly idPrefix: string;
  /** Commands of operators that are proposed, by their index. */
  private readonly commands = new Map<number, (term: number) => void>();
  private machine: StateMachine;
  private waiting = new Set<Submission>();
  private nextId = 0;
  private pending = 0;
  private stopped = false;

  constructor(options: ReplicatedStoreOptions, dependencies: ReplicatedStoreDependencies) {
    const { clock, log, random } = dependencies;
    this.options = {
      timeoutMs: options.timeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      maxPending: options.maxPending ?? DEFAULT_MAX_PENDING,
      maxWatches: options.maxWatches ?? DEFAULT_MAX_WATCHES,
    };
    this.machineOptions = options.machine ?? {};
    this.dependencies = dependencies;
    this.machine = new StateMachine(this.machineOptions);
    this.batcher = new TxnBatcher({ log });
    this.barrier = new ReadBarrier({ log, clock });
    this.deadlines = new Deadlines({ ms: this.options.timeoutMs }, { clock });
    this.hub = new WatchHub(this.options, { state: this.machine });
    this.idPrefix = hexOf(random.bytes(12));
    log.attach(this);
  }

  leader(): LeaderInfo | undefined {
    return this.dependencies.log.leader();
  }

  /** Of the state that is applied here. */
  get revision(): Revision {
    return this.machine.revision;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    checkRange(request);
    if (request.consistency !== "local") await this.readBarrier();
    return this.machine.range(request);
  }

  /** Resolves once everything is applied here that was committed when it was called. @throws ControlError */
  readBarrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { settled: false, resolve: () => finish(resolve) };
      const cancel = this.admit((error) => finish(() => reject(error)), "read");
      const finish = (settle: () => void) => {
        if (waiter.settled) return;
        waiter.settled = true;
        this.pending -= 1;
        cancel();
        settle();
      };
      this.barrier.add(waiter);
    });
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    const taken = await this.submit(request, "anywhere");
    if (!taken.ok) throw new Error("only forwarded transactions are sent back");
    return taken.result;
  }

  /** For transactions that another apiserver forwards: it is told when this node does not lead. @throws ControlError */
  takeIn(request: TxnRequest): Promise<TakenIn> {
    return this.submit(request, "here");
  }

  /**
   * Has a command of an operator applied: the quota, a restore part by part. On the leader only. Resolves
   * when it is applied. @throws ControlError "no-quorum" when this node does not lead; "timeout"
   */
  administer(command: Exclude<Command, { type: "txns" }>): Promise<void> {
    return new Promise((resolve, reject) => {
      const bytes = encodeCommand(command);
      const fail = (error: ControlError) => finish(() => reject(error));
      const cancel = this.admit(fail, "transaction");
      const proposed = this.dependencies.log.propose(bytes);
      const finish = (settle: () => void) => {
        if (proposed.ok && !this.commands.delete(proposed.index)) return;
        this.pending -= 1;
        cancel();
        settle();
      };
      if (!proposed.ok) fail(this.undecided("transaction", false));
      else
        this.commands.set(proposed.index, (term) => {
          if (term === proposed.term) finish(resolve);
          else fail(this.undecided("transaction", false));
        });
    });
  }

  watch(request: WatchRequest, events: WatchEvents): ControlWatch {
    return new PushedWatch(events, (wake) => this.pull(request, wake));
  }

  /** A watch whose events are taken one by one, for whoever has a queue of their own. @throws ControlError */
  pull(request: WatchRequest, wake: () => void): HubWatch {
    checkWatch(request);
    if (this.stopped) throw stoppedError();
    return this.hub.watch(request, wake);
  }

  /** The state for a checkpoint; it does not change. */
  freeze(): FrozenState {
    return this.machine.freeze();
  }

  /** Forgets the history of changes up to now, as its bounds would: later watches from before are told. */
  forgetHistory(): void {
    this.machine.history.compact(this.machine.revision);
  }

  get figures(): StateMachine["figures"] & {
    readonly revision: number;
    readonly watches: number;
    readonly pending: number;
    readonly batches: number;
    readonly hash: string;
  } {
    const { machine, hub, pending, batcher } = this;
    return {
      ...machine.figures,
      revision: machine.revision,
      hash: machine.hash,
      watches: hub.size,
      pending,
      batches: batcher.figures.batches,
    };
  }

  apply(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const { outcomes, changes, replaced } = this.machine.apply(entry);
      if (replaced) this.hub.replace(this.machine);
      else this.hub.publish(changes);
      this.batcher.applied(entry.index, entry.term, outcomes);
      this.commands.get(entry.index)?.(entry.term);
    }
    this.barrier.reached(this.machine.applied.index);
  }

  install(checkpoint: CheckpointDecoder): void {
    this.machine = checkpoint.finish();
    this.hub.replace(this.machine);
    this.batcher.jumped(this.machine.applied.index);
    this.barrier.reached(this.machine.applied.index);
  }

  leaderChanged(): void {
    const { log } = this.dependencies;
    if (log.leader()?.node !== log.node) this.batcher.release();
    const waiting = this.waiting;
    this.waiting = new Set();
    for (const submission of waiting) this.route(submission);
  }

  /** Answers everything that waits with "unreachable". Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.deadlines.stop();
    this.barrier.stop();
    this.hub.stop();
    for (const submission of this.waiting) submission.fail(stoppedError());
    this.waiting.clear();
  }

  private submit(request: TxnRequest, where: "anywhere" | "here"): Promise<TakenIn> {
    return new Promise((resolve, reject) => {
      checkTxn(request);
      const submission = new Submission(request, where, {
        resolve,
        reject,
        settle: () => {
          this.pending -= 1;
          this.waiting.delete(submission);
          cancel();
        },
        lost: () => this.pause(submission),
        answered: (id) => this.machine.answered(id),
      });
      const cancel = this.admit((error) => submission.fail(error), "transaction");
      this.route(submission);
    });
  }

  /** Counts a request and gives it its time. @throws ControlError when no more are taken. */
  private admit(fail: (error: ControlError) => void, what: "read" | "transaction"): () => void {
    if (this.stopped) throw stoppedError();
    if (this.pending >= this.options.maxPending)
      throw new ControlError("busy", `${this.pending} requests wait at this apiserver already`, {
        hint: "Try again later, with fewer requests at a time.",
      });
    this.pending += 1;
    return this.deadlines.add(() =>
      fail(this.stopped ? stoppedError() : this.undecided(what, this.leader() !== undefined)),
    );
  }

  private undecided(what: "read" | "transaction", leaderKnown: boolean): ControlError {
    const { timeoutMs } = this.options;
    return undecidedError(what, leaderKnown, timeoutMs, this.dependencies.obstacle?.());
  }

  private route(submission: Submission): void {
    if (submission.settled) return;
    const { log, forward } = this.dependencies;
    const leader = log.leader();
    if (leader?.node === log.node) this.takeInHere(submission);
    else if (submission.where === "here") submission.sendBack();
    else if (leader === undefined || forward === undefined) this.waiting.add(submission);
    else {
      // With an id it may be sent again when nobody knows what became of it.
      submission.name(`${this.idPrefix}-${(this.nextId++).toString(36)}`);
      forward(leader, submission.request).then(
        (taken) => (taken.ok ? submission.resolve(taken.result) : this.pause(submission)),
        (error: unknown) => {
          if (decides(error)) submission.fail(error);
          else this.pause(submission);
        },
      );
    }
  }

  private takeInHere(submission: Submission): void {
    const { id, leases = [] } = submission.request;
    const known = id === undefined ? undefined : this.machine.answered(id);
    const missing = leases.find((node) => !this.dependencies.holdsLease(node));
    if (known !== undefined) submission.decided(known);
    else if (missing === undefined) this.batcher.add(submission);
    else if (id === undefined) submission.fail(decidedError("no-lease", missing));
    else {
      // An earlier try may be in the log, or come late: the refusal gets its place among them.
      submission.refuse();
      this.batcher.add(submission);
    }
  }

  private pause(submission: Submission): void {
    if (submission.settled) return;
    this.waiting.add(submission);
    this.dependencies.clock.setTimer(RETRY_PAUSE_MS, () => {
      if (this.waiting.delete(submission)) this.route(submission);
    });
  }
}

/** The error is an answer: trying again would give the same. */
function decides(error: unknown): error is Error {
  if (error instanceof ControlError) return !UNDECIDED.has(error.code);
  return error instanceof Error && !(error instanceof LinkError);
}
const UNDECIDED: ReadonlySet<string> = new Set(["no-quorum", "timeout", "unreachable", "busy"]);
