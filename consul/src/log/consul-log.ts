import type { Clock, LeaderInfo, Logger, SecureRandom } from "@atlasnet/core";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import { ConsulError } from "../consul-error.ts";
import { type CheckpointOptions, Checkpoints } from "./checkpoints.ts";
import { decodeHead, type Head } from "./head.ts";
import { LogKeys } from "./keys.ts";
import { isPassing, LeaderTerm, readHead, Superseded } from "./leader-term.ts";
import { Leadership } from "./leadership.ts";
import { type LogMachine, Replica, wentBack } from "./replica.ts";
import { Pauses, pause } from "./retrying.ts";

export interface ConsulLogOptions {
  readonly node: string;
  /** Name of the cluster: a log of another one is refused. */
  readonly cluster: string;
  /** Keys in Consul begin with it, as in atlasnet/games; without a slash at the end. */
  readonly prefix: string;
  readonly checkpoints?: CheckpointOptions;
}

export interface ConsulLogDependencies {
  /** Its creator closes it. */
  readonly agent: ConsulAgent;
  readonly clock: Clock;
  readonly random: SecureRandom;
  readonly logger: Logger;
  readonly machine: LogMachine;
  readonly events: {
    /** The leader changed, or is not known any more. */
    onChange(): void;
    /** The log has ended: it cannot be read, or is another one than before. */
    onFailed(error: unknown): void;
  };
}

/** With the shape of what a Raft group's member says to a command. */
export type ProposeResult =
  | { readonly ok: true; readonly firstIndex: number; readonly term: number }
  | {
      readonly ok: false;
      readonly reason: "not-leader" | "busy";
      readonly leader: string | undefined;
    };

export interface LogFigures {
  readonly leads: boolean;
  readonly term: number;
  readonly applied: number;
  readonly checkpoints: number;
  /** Consul answered the last request for the head. */
  readonly reachable: boolean;
  /** Why not; undefined also before the first answer. */
  readonly problem: string | undefined;
  /** Times that it stopped answering. */
  readonly outages: number;
}

/** Longest wait for a change of the head; then it is asked for again. So long may it take to notice that Consul stands still. */
const WAIT_MS = 10_000;
/** Times that a head whose entries are gone is read again before something is wrong. */
const ATTEMPTS = 10;

/**
 * A replicated log in Consul's key-value store, in place of a Raft group of one's own: any number of processes follow
 * it, and the one that holds a lock adds to it. Its order rests upon one key, the head, which every write compares.
 */
export class ConsulLog {
  readonly node: string;
  private readonly options: ConsulLogOptions;
  private readonly dependencies: ConsulLogDependencies;
  private readonly keys: LogKeys;
  private readonly replica: Replica;
  private readonly leadership: Leadership;
  private readonly checkpoints: Checkpoints;
  private readonly stopping = new AbortController();
  private following: Promise<void> | undefined;
  private term: { readonly log: LeaderTerm; readonly signal: AbortSignal } | undefined;
  private head: Head | undefined;
  private holder: string | undefined;
  private reachable = false;
  private problem: string | undefined;
  private outages = 0;
  private failed = false;
  private leaving = false;
  private told: LeaderInfo | undefined;

  constructor(options: ConsulLogOptions, dependencies: ConsulLogDependencies) {
    const { agent, clock, random, logger, machine } = dependencies;
    this.node = options.node;
    this.options = options;
    this.dependencies = dependencies;
    this.keys = new LogKeys(options.prefix);
    const { keys } = this;
    this.replica = new Replica({ agent, keys, machine: this.counting(machine) });
    this.checkpoints = new Checkpoints(options.checkpoints ?? {}, {
      ...{ agent, keys, random, logger },
      replica: this.replica,
    });
    this.leadership = new Leadership(
      { node: options.node, key: keys.leader },
      {
        ...{ agent, clock, logger },
        lead: (signal) => this.lead(signal),
        onHolder: (node) => {
          this.holder = node;
          this.changed();
        },
      },
    );
  }

  /** Follows the log and seeks leadership. It does not wait for Consul. */
  start(): void {
    this.following ??= this.follow();
    this.leadership.start();
  }

  /** Gives leadership away for good, after what waits is written; goes on following. */
  async handOver(): Promise<void> {
    this.leaving = true;
    await this.term?.log.settled();
    await this.leadership.retire();
  }

  /** Ends everything; nobody is called any more. Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.leadership.stop();
    await this.checkpoints.settled();
    await this.following;
  }

  /** Who leads, as far as is known here; nobody while Consul does not answer. */
  get leader(): LeaderInfo | undefined {
    if (this.term !== undefined) return { node: this.node, term: this.term.log.term };
    const { head, holder } = this;
    if (!this.reachable || head === undefined || holder === this.node) return undefined;
    return holder === head.leader ? { node: holder, term: head.term } : undefined;
  }

  get figures(): LogFigures {
    return {
      leads: this.term !== undefined,
      term: this.head?.term ?? 0,
      applied: this.replica.applied,
      checkpoints: this.checkpoints.written,
      reachable: this.reachable,
      problem: this.problem,
      outages: this.outages,
    };
  }

  /** Adds a command, when this process leads. Whether it is committed shows in what is applied at its index. */
  propose(command: Uint8Array): ProposeResult {
    const { term } = this;
    if (term === undefined || this.leaving)
      return { ok: false, reason: "not-leader", leader: this.leader?.node };
    const firstIndex = term.log.propose(command);
    return firstIndex === undefined
      ? { ok: false, reason: "busy", leader: this.node }
      : { ok: true, firstIndex, term: term.log.term };
  }

  /** An index not below anything that was committed before the call. */
  async readIndex(): Promise<
    | { readonly ok: true; readonly index: number }
    | { readonly ok: false; readonly reason: "timeout"; readonly leader: string | undefined }
  > {
    const { agent } = this.dependencies;
    try {
      const read = await readHead(agent, this.keys, this.stopping.signal);
      this.reached(undefined);
      if (read === undefined) return { ok: true, index: 0 };
      this.advance(read.head).catch((error: unknown) => this.fail(error));
      return { ok: true, index: read.head.index };
    } catch (error) {
      if (isPassing(error)) this.reached(error);
      else if (!this.stopping.signal.aborted) this.fail(error);
      return { ok: false, reason: "timeout", leader: this.leader?.node };
    }
  }

  private async follow(): Promise<void> {
    const { agent, clock } = this.dependencies;
    const { signal } = this.stopping;
    const pauses = new Pauses();
    let index: number | undefined;
    while (!signal.aborted) {
      try {
        const read = await agent.get(this.keys.head, {
          signal,
          ...(index !== undefined && { index, waitMs: WAIT_MS }),
        });
        index = index !== undefined && read.index < index ? undefined : read.index;
        this.reached(undefined);
        pauses.reset();
        if (read.value !== undefined)
          await this.advance(decodeHead(read.value.value, this.keys.head));
        else if (this.replica.applied > 0) await this.advance(undefined);
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) {
          this.fail(error);
          return;
        }
        this.reached(error);
        await pause(clock, pauses.next(), signal);
      }
    }
  }

  /** Takes a head that was read; undefined stands for none. @throws ConsulError */
  private async advance(read: Head | undefined): Promise<void> {
    const { agent, clock } = this.dependencies;
    const { signal } = this.stopping;
    const pauses = new Pauses();
    let head = read;
    for (let attempt = 0; attempt < ATTEMPTS && !signal.aborted; attempt++) {
      if (head !== undefined) {
        this.checkCluster(head);
        if (this.term?.log.isOwn(head) === true) return;
        if (head.index >= this.replica.applied && (await this.replica.advance(head))) {
          this.observe(head);
          return;
        }
      }
      if (attempt > 0) await pause(clock, pauses.next(), signal);
      const { applied } = this.replica;
      head = (await readHead(agent, this.keys, signal))?.head;
      // A read may be old; this one is not.
      if (head === undefined) throw wentBack("it is gone");
      if (head.index < applied)
        throw wentBack(`it ends at ${head.index}, and ${applied} was applied here`);
    }
    if (!signal.aborted)
      throw new ConsulError("consul-unreadable", "entries of the log in Consul are missing", {
        hint: "Somebody deleted keys below its prefix. Stop all apiservers, delete the rest of it (`consul kv delete -recurse`), start them, and restore a backup.",
      });
  }

  private checkCluster({ cluster }: Head): void {
    if (cluster === this.options.cluster) return;
    throw new ConsulError(
      "consul-unreadable",
      `${this.keys.head} in Consul belongs to the cluster ${cluster}, and this apiserver to ${this.options.cluster}`,
      { hint: "Choose another apiserver.consulPrefix for this cluster." },
    );
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { agent, clock, random, logger } = this.dependencies;
    const { node, cluster } = this.options;
    const { keys, replica } = this;
    const over = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      const log = await LeaderTerm.begin(
        { node, cluster },
        { agent, keys, replica, clock, random, logger, signal },
        (error) => this.lost(error),
      );
      this.term = { log, signal };
      logger.info("This apiserver leads, by a lock in Consul.", { term: log.term });
      this.changed();
      await over;
      await log.settled();
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    } finally {
      if (this.term !== undefined) logger.info("This apiserver does not lead any more.");
      this.term = undefined;
      await this.checkpoints.settled();
      this.changed();
      // What was written last may not have been applied here.
      if (!this.stopping.signal.aborted) await this.readIndex();
    }
  }

  private lost(error: unknown): void {
    if (error instanceof Superseded) this.leadership.stepDown();
    else this.fail(error);
  }

  private observe(head: Head): void {
    if (this.head === undefined || head.index >= this.head.index) {
      if (head.checkpoint?.name !== this.head?.checkpoint?.name) this.checkpoints.seen(head);
      this.head = head;
    }
    const { term } = this;
    if (term !== undefined && head.term > term.log.term) this.leadership.stepDown();
    this.changed();
  }

  private counting(machine: LogMachine): LogMachine {
    return {
      freeze: () => machine.freeze(),
      beginInstall: () => machine.beginInstall(),
      apply: (entries) => {
        machine.apply(entries);
        let bytes = 0;
        for (const { data } of entries) bytes += data.length;
        this.checkpoints.applied(entries.length, bytes);
        const { term } = this;
        if (term !== undefined) this.checkpoints.whenDue(term.log, term.signal);
      },
    };
  }

  /** Consul answered, or did not for this reason. */
  private reached(error: unknown): void {
    const { logger } = this.dependencies;
    const before = this.problem;
    const was = this.reachable;
    this.reachable = error === undefined;
    this.problem =
      error === undefined ? undefined : error instanceof Error ? error.message : String(error);
    if (error !== undefined && before === undefined) {
      this.outages += 1;
      logger.warn(
        "Consul does not answer: local reads go on, writes and reads that must be linearizable are refused until it does.",
        { error },
      );
    } else if (!was && before !== undefined && error === undefined)
      logger.info("Consul answers again.");
    this.changed();
  }

  private changed(): void {
    const { leader, told } = this;
    if (leader?.node === told?.node && leader?.term === told?.term) return;
    this.told = leader;
    if (!this.stopping.signal.aborted) this.dependencies.events.onChange();
  }

  private fail(error: unknown): void {
    if (this.failed || this.stopping.signal.aborted) return;
    this.failed = true;
    this.stopping.abort();
    this.leadership.stop().catch((problem: unknown) => {
      this.dependencies.logger.warn("The lock in Consul was not given back.", { error: problem });
    });
    this.dependencies.events.onFailed(error);
  }
}
