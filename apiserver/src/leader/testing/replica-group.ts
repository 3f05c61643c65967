import { ControlError, type LeaderInfo, type Logger, noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import type {
  LogConsumer,
  Proposed,
  ReadIndex,
  ReplicatedLog,
} from "../../store/replicated-log.ts";
import { ReplicatedStore } from "../../store/replicated-store.ts";
import type { LogEntry } from "../../store/state-machine.ts";
import { LeaderRole } from "../leader-role.ts";

/** From a proposal to its commit, and of a quorum round. */
const COMMIT_MS = 4;

/**
 * Three control stores over one log in simulated time, each with the work of a leader. Who is elected, who
 * knows of it and who is cut off, a test decides. Test support.
 */
export class ReplicaGroup {
  readonly clock = new SimClock();
  readonly replicas: readonly Replica[];
  readonly committed: LogEntry[] = [];
  /** Proposed and not committed: a held log commits nothing. */
  open: LogEntry[] = [];
  held = false;
  leader: LeaderInfo | undefined;
  private term = 0;

  constructor(logger: Logger = noopLogger) {
    this.replicas = ["a", "b", "c"].map((node) => new Replica(node, this, logger));
    for (const { role } of this.replicas) role.start();
  }

  get(node: string): Replica {
    const replica = this.replicas.find((each) => each.node === node);
    if (replica === undefined) throw new Error(`there is no ${node}`);
    return replica;
  }

  /** The one that leads really. */
  get leading(): Replica {
    return this.get(this.leader?.node ?? "");
  }

  /** What was not committed is lost. Those that are cut off do not hear of it. */
  elect(node: string): void {
    this.term += 1;
    this.leader = { node, term: this.term };
    this.open = [];
    this.append({ term: this.term, command: undefined });
    for (const replica of this.replicas) if (!replica.isCut) replica.learn();
  }

  /** Nobody leads any more, and everybody knows. */
  depose(): void {
    this.leader = undefined;
    this.open = [];
    for (const replica of this.replicas) replica.learn();
  }

  async elapse(ms: number): Promise<void> {
    await this.clock.elapse(ms, settle);
    await settle();
  }

  stop(): void {
    for (const { role, store } of this.replicas) {
      role.stop();
      store.stop();
    }
  }

  append({ term, command }: Omit<LogEntry, "index">): number {
    const index = this.committed.length + this.open.length + 1;
    const entry = { index, term, command };
    this.open.push(entry);
    this.clock.setTimer(COMMIT_MS, () => this.commit(entry));
    return index;
  }

  /** What was held is committed. */
  release(): void {
    this.held = false;
    for (const entry of [...this.open]) this.commit(entry);
  }

  /** Whether nobody else was elected until a round was over. */
  async round(from: Replica): Promise<ReadIndex> {
    const { leader } = this;
    const index = this.committed.length;
    await new Promise<void>((resolve) => this.clock.setTimer(COMMIT_MS, resolve));
    const isOwnTerm = this.committed.at(-1) !== undefined && leader === this.leader;
    const known = this.committed.some(({ term }) => term === leader?.term);
    return isOwnTerm && known && leader !== undefined && !from.isCut && !this.held
      ? { ok: true, index }
      : { ok: false };
  }

  private commit(entry: LogEntry): void {
    if (this.held || !this.open.includes(entry)) return;
    const end = this.open.indexOf(entry) + 1;
    this.committed.push(...this.open.splice(0, end));
    for (const replica of this.replicas) replica.catchUp();
  }
}

/** One of them; as a log, it goes by what it knows. */
export class Replica implements ReplicatedLog {
  readonly node: string;
  readonly store: ReplicatedStore;
  readonly role: LeaderRole;
  isCut = false;
  /** It has the log, and applies nothing of it yet. */
  isBehind = false;
  private readonly group: ReplicaGroup;
  private known: LeaderInfo | undefined;
  private applied = 0;
  private lost = 0;
  private consumer: LogConsumer | undefined;

  constructor(node: string, group: ReplicaGroup, logger: Logger) {
    this.node = node;
    this.group = group;
    const { clock } = group;
    this.store = new ReplicatedStore(
      {},
      {
        log: this,
        clock,
        random: new SeededRandom(node),
        holdsLease: (holder) => this.role.leases.holds(holder),
        forward: (leader, request) => {
          if (this.isCut) return Promise.reject(new ControlError("unreachable", "cut off"));
          return group.get(leader.node).store.takeIn(request);
        },
      },
    );
    this.role = new LeaderRole({ node }, { store: this.store, clock, logger });
  }

  /** Knows who leads, and has told nobody. */
  learnSilently(): void {
    this.known = this.group.leader;
  }

  /** Hears who leads, and gets what it missed. */
  learn(): void {
    this.isCut = false;
    this.known = this.group.leader;
    this.catchUp();
    this.consumer?.leaderChanged();
    this.role.changed();
  }

  propose(command: Uint8Array): Proposed {
    const { group, known } = this;
    if (known?.node !== this.node) return { ok: false };
    const { term } = known;
    if (known === group.leader && !this.isCut)
      return { ok: true, index: group.append({ term, command }), term };
    // A former leader that does not know: another's entry will stand there.
    this.lost += 1;
    return { ok: true, index: this.applied + this.lost, term };
  }

  readIndex(): Promise<ReadIndex> {
    return this.group.round(this);
  }

  leader(): LeaderInfo | undefined {
    return this.known;
  }

  attach(consumer: LogConsumer): void {
    this.consumer = consumer;
  }

  catchUp(): void {
    if (this.isCut || this.isBehind) return;
    const entries = this.group.committed.slice(this.applied);
    this.applied = this.group.committed.length;
    this.lost = 0;
    if (entries.length > 0) this.consumer?.apply(entries);
  }
}
