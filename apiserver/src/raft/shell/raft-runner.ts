import type { LeaderInfo, Timer } from "@atlasnet/core";
import type { StoredCheckpoint } from "../../wal/checkpoint-writer.ts";
import type { RaftMessage } from "../core/messages.ts";
import type { RaftSettings } from "../core/options.ts";
import { RaftCore } from "../core/raft-core.ts";
import type {
  Entry,
  MemberChange,
  ProposeResult,
  RaftStatus,
  Ready,
  StoredState,
} from "../core/types.ts";
import { CheckpointInbox, loadCheckpoint } from "./checkpoint-inbox.ts";
import { CheckpointMaker } from "./checkpoint-maker.ts";
import { ChunkSender } from "./chunk-sender.ts";
import { CommitNotices } from "./commit-notices.ts";
import { pause } from "./pace.ts";
import type { RunnerDependencies } from "./ports.ts";
import { MAX_LOOP_MS, type RunnerOptions, resolveRunnerOptions } from "./runner-options.ts";
import { RunnerRequests } from "./runner-requests.ts";
import { StatusNotices } from "./status-notices.ts";
import type { Position } from "./waiting-proposals.ts";
import type { ReadResult } from "./waiting-reads.ts";

export interface RaftRunnerOptions {
  readonly core: RaftSettings;
  readonly runner?: Partial<RunnerOptions>;
}

/**
 * One member of a group at work: it drives the core with time and messages, and carries out what the
 * core says, one `Ready` after the other.
 *
 * 1. Nothing leaves this node, and nothing is applied, before what it depends on is synced.
 * 2. A failed save, a broken invariant or a state machine that throws ends the runner for good;
 *    `onFailed` tells it, once. What is on the disk is as good as before.
 * 3. Messages and proposals are taken at once, also while a save runs: what depends on nothing unsynced
 *    (a leader's appends) leaves meanwhile, and the next save takes all that has come by then.
 */
export class RaftRunner {
  private readonly options: RunnerOptions;
  private readonly dependencies: RunnerDependencies;
  private readonly core: RaftCore;
  private readonly requests: RunnerRequests;
  private readonly inbox: CheckpointInbox;
  private readonly maker: CheckpointMaker;
  private readonly chunks: ChunkSender;
  private readonly notices: CommitNotices;
  private readonly statusNotices: StatusNotices;
  private state: "new" | "running" | "stopped" = "new";
  private timer: Timer | undefined;
  private loop: Promise<void> | undefined;
  private waking = false;
  /** What the state machine has applied. The core is ahead of it when a checkpoint has come and is not installed yet. */
  private appliedIndex = 0;
  /** The newest checkpoint that was handed to the log, ours or the leader's. */
  private checkpointIndex: number;
  private readonly counts = { readies: 0, applied: 0, proposed: 0, refused: 0, sent: 0 };

  /** `stored` is what the log held (`openGroupLog`). @throws RangeError for settings that cannot work. */
  constructor(options: RaftRunnerOptions, stored: StoredState, dependencies: RunnerDependencies) {
    const { clock, log, logger, random, transport } = dependencies;
    this.options = resolveRunnerOptions(options.runner ?? {});
    this.dependencies = dependencies;
    this.core = new RaftCore(options.core, stored, { random });
    this.checkpointIndex = stored.checkpoint?.index ?? 0;
    this.statusNotices = new StatusNotices(this.core, dependencies.events, logger);
    const member = {
      core: this.core,
      isRunning: () => this.state === "running",
      appliedIndex: () => this.appliedIndex,
      propose: (command: Uint8Array) => this.propose(command),
      guarded: <T>(call: () => T) => this.guarded(call),
    };
    this.requests = new RunnerRequests(this.options, member, clock);
    this.inbox = new CheckpointInbox(log);
    this.maker = new CheckpointMaker(
      {
        bytesPerSecond: this.options.checkpointBytesPerSecond,
        retryMs: this.options.checkpointRetryMs,
      },
      {
        clock,
        logger,
        log,
        isNewest: (index) => index > this.checkpointIndex,
        onMade: (checkpoint) => {
          this.checkpointIndex = Math.max(this.checkpointIndex, checkpoint.index);
          this.guarded(() => this.core.compact(checkpoint));
        },
      },
    );
    this.notices = new CommitNotices(this.options.commitNoticeMs, clock, (message) =>
      transport.send(message),
    );
    this.chunks = new ChunkSender({
      log,
      transport,
      logger,
      inUse: () => this.core.checkpointsInUse(),
      onUnreadable: (follower) => this.guarded(() => this.core.checkpointUnreadable(follower)),
    });
  }

  get status(): RaftStatus {
    const status = this.core.status;
    return { ...status, applied: Math.min(status.applied, this.appliedIndex) };
  }

  /** Who leads, as far as is known here; a node without contact to a quorum names nobody. */
  get leader(): LeaderInfo | undefined {
    const { leader, term } = this.core.outline;
    return leader === undefined || this.state !== "running" ? undefined : { node: leader, term };
  }

  get isRunning(): boolean {
    return this.state === "running";
  }

  get figures() {
    return {
      ...this.counts,
      ...this.requests.figures,
      checkpoints: this.maker.counts,
      chunks: this.chunks.counts,
    };
  }

  /** Loads the checkpoint into the state machine, then takes part. @throws what the log or the machine throws. */
  async start(): Promise<void> {
    if (this.state !== "new") return;
    this.appliedIndex = await loadCheckpoint(this.dependencies.log, this.dependencies.machine);
    if (this.state !== "new") return;
    this.state = "running";
    this.statusNotices.tellMembers();
    this.setTimer();
    if (this.isAlone) this.guarded(() => this.core.campaign());
    this.wake();
  }

  /** Nobody else has a vote, so nobody else can lead: there is no leader to wait for. */
  private get isAlone(): boolean {
    const { voters } = this.core.members;
    return voters.length === 1 && voters[0] === this.core.status.id;
  }

  /**
   * Takes no part any more, from this moment on. Resolves when nothing of the log is in use any more;
   * whoever waits for a proposal gets `unknown`.
   */
  async stop(): Promise<void> {
    this.halt("this node stops");
    // A loop that failed has told so already.
    await Promise.allSettled([this.loop, this.maker.settled()]);
  }

  /** A message of another member. */
  receive(message: RaftMessage): void {
    this.guarded(() => this.core.step(message));
  }

  /**
   * Appends a command when this node leads. Whether it is committed shows in what is applied at its index:
   * an entry of another term there means that it never will be. `undefined`: this node was stopped.
   */
  propose(command: Uint8Array): ProposeResult | undefined {
    return this.guarded(() => {
      const result = this.core.propose([command]);
      if (result.ok) this.counts.proposed++;
      else this.counts.refused++;
      return result;
    });
  }

  /** Appends a command; resolves once it is committed and applied here. @throws RaftError (as a rejection) */
  submit(command: Uint8Array): Promise<Position> {
    return this.requests.submit(command);
  }

  /** See the core. Only on the leader; settles within the time-out. */
  readIndex(): Promise<ReadResult> {
    return this.requests.readIndex();
  }

  /** Resolves once everything up to `index` is applied here. @throws RaftError `unknown` past the time-out, `stopped` */
  applied(index: number): Promise<void> {
    return this.requests.applied(index);
  }

  /** Adds, promotes or removes a member; resolves once that is committed. @throws RaftError (as a rejection) */
  changeMembers(change: MemberChange): Promise<Position> {
    return this.requests.changeMembers(change);
  }

  /** Resolves once `to` leads. @throws RaftError (as a rejection) */
  transferLeadership(to: string): Promise<void> {
    return this.requests.transferLeadership(to);
  }

  /** Starts an election at once. */
  campaign(): void {
    this.guarded(() => this.core.campaign());
  }

  /** Makes a checkpoint of what is applied, unless one is being made. It comes by itself, too. */
  makeCheckpoint(): void {
    this.guarded(() => {
      const { appliedIndex } = this;
      if (!this.maker.isFree || appliedIndex <= this.checkpointIndex) return;
      // A newer one of the leader's is about to be installed.
      if (this.core.status.applied !== appliedIndex) return;
      this.maker.begin(this.core.checkpointAt(appliedIndex), this.dependencies.machine.freeze());
    });
  }

  private setTimer(): void {
    const { clock } = this.dependencies;
    this.timer = clock.setTimer(this.options.tickMs, () => {
      if (this.state !== "running") return;
      this.setTimer();
      // A process that stood still ticks once, and then hears what has come meanwhile.
      this.guarded(() => this.core.tick());
      this.requests.expire(clock.now(), this.core.status.leader);
    });
  }

  /** Calls into the core; a fault in there ends this node. Undefined when it is not running. */
  private guarded<T>(call: () => T): T | undefined {
    if (this.state !== "running") return undefined;
    try {
      const result = call();
      this.wake();
      return result;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /** What comes in one turn of the event loop is carried out together. */
  private wake(): void {
    if (this.waking) return;
    this.waking = true;
    queueMicrotask(() => {
      this.waking = false;
      if (this.state !== "running") return;
      if (this.loop !== undefined) {
        this.sendMeanwhile();
        return;
      }
      this.loop = this.run()
        .catch((error: unknown) => this.fail(error))
        .finally(() => {
          this.loop = undefined;
          // Something may have come between the last look and here.
          if (this.state === "running" && this.core.hasReady()) this.wake();
        });
    });
  }

  private sendMeanwhile(): void {
    try {
      this.send(this.core.takeMessagesNow());
    } catch (error) {
      this.fail(error);
    }
  }

  private async run(): Promise<void> {
    const { clock } = this.dependencies;
    let since = clock.now();
    while (this.state === "running" && this.core.hasReady()) {
      await this.carryOut(this.core.ready());
      if (clock.now() - since < MAX_LOOP_MS) continue;
      await pause(clock, 0);
      since = clock.now();
    }
  }

  private async carryOut(ready: Ready): Promise<void> {
    this.counts.readies++;
    this.send(ready.messagesNow);
    const installed = await this.persist(ready);
    if (this.state !== "running") return;
    this.send(ready.messagesAfterSync);
    this.tellChange();
    if (installed) await this.install(installed.index);
    if (this.state !== "running") return;
    this.apply(ready.committed);
    this.requests.answered(ready.reads);
    this.core.advance(ready);
    this.chunks.release();
    this.statusNotices.tellMembers();
    if (this.isCheckpointDue) this.makeCheckpoint();
  }

  private async persist(ready: Ready): Promise<StoredCheckpoint | undefined> {
    const { hardState, truncateFrom, entries } = ready;
    for (const chunk of ready.chunks) await this.inbox.take(chunk);
    const checkpoint = ready.checkpoint && (await this.inbox.finish(ready.checkpoint));
    const something = hardState || truncateFrom !== undefined || checkpoint || entries.length > 0;
    if (!something) return undefined;
    if (checkpoint) this.checkpointIndex = checkpoint.index;
    await this.dependencies.log.save({ hardState, truncateFrom, checkpoint, entries });
    return checkpoint;
  }

  private async install(index: number): Promise<void> {
    const { log, machine, logger } = this.dependencies;
    const loaded = await loadCheckpoint(log, machine);
    if (loaded !== index) throw new Error(`checkpoint ${loaded} was loaded instead of ${index}`);
    this.appliedIndex = index;
    logger.info("A checkpoint of the leader was installed.", { index });
    this.requests.jumped(index);
  }

  private apply(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.dependencies.machine.apply(entries);
    this.appliedIndex = last.index;
    this.counts.applied += entries.length;
    this.dependencies.events?.onApplied?.(entries);
    this.requests.reached(entries, last.index);
  }

  private get isCheckpointDue(): boolean {
    if (!this.maker.isFree) return false;
    const { checkpointEntries, checkpointBytes } = this.options;
    const behind = this.appliedIndex - this.checkpointIndex;
    const { bytesSinceCheckpoint } = this.dependencies.log;
    return behind >= checkpointEntries || (behind > 0 && bytesSinceCheckpoint >= checkpointBytes);
  }

  private send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      this.counts.sent++;
      if (message.type === "checkpoint-chunk") this.chunks.send(message);
      else if (this.notices.passes(message)) this.dependencies.transport.send(message);
    }
  }

  private tellChange(): void {
    const { outline } = this.core;
    this.requests.look(outline);
    this.statusNotices.tellChange(outline);
  }

  private halt(why: string): void {
    if (this.state === "stopped") return;
    this.state = "stopped";
    this.timer?.cancel();
    this.maker.stop();
    this.chunks.stop();
    this.notices.stop();
    this.requests.stop(why);
  }

  private fail(error: unknown): void {
    if (this.state === "stopped") return;
    this.halt("this node has failed");
    this.dependencies.logger.error(
      "This member of the group has failed and takes no part any more.",
      {
        error,
      },
    );
    this.dependencies.events?.onFailed?.(error);
  }
}
