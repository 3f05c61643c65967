import {
  ControlError,
  type Disk,
  type KeyValue,
  noopLogger,
  type Random,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
  type WatchRequest,
} from "@atlasnet/core";
import type { RaftMessage } from "../raft/core/messages.ts";
import { openGroupLog } from "../raft/shell/group-log.ts";
import { RaftRunner } from "../raft/shell/raft-runner.ts";
import type { ReadResult } from "../raft/shell/waiting-reads.ts";
import type { Renewal, RenewalAnswer } from "../store/lease-table.ts";
import { OrderedMap } from "../store/ordered-map.ts";
import { ReplicatedStore, type TakenIn } from "../store/replicated-store.ts";
import type { FrozenState, StateMachineOptions } from "../store/state-machine.ts";
import type { Books } from "./books.ts";
import { observed, withoutSync } from "./disk.ts";
import type { ControlFaults } from "./faults.ts";
import { FaultyLog } from "./faulty-log.ts";
import { SimLeader } from "./leader.ts";
import type { Host, Net } from "./net.ts";
import type { Plan } from "./plan.ts";
import { type Told, WatchServer } from "./watch-server.ts";

const SEGMENT_BYTES = 16 * 1024;
const TICK_MS = 25;
const REQUEST_MS = 1500;
/** Between apiservers. */
const ASK_MS = 700;

export interface ApiserverOptions {
  readonly plan: Plan;
  /** Undefined for one that is added later. */
  readonly firstVoters: readonly string[] | undefined;
}

export interface ApiserverDependencies {
  readonly host: Host;
  readonly random: Random;
  readonly disk: Disk;
  readonly net: Net<SimApiserver>;
  readonly books: Books;
  readonly faults: ControlFaults;
}

/** One life of an apiserver: the real log, runner, store and leader's work, over simulated clocks, disks and lines. */
export class SimApiserver {
  readonly host: Host;
  readonly store: ReplicatedStore;
  readonly runner: RaftRunner;
  readonly incarnation: number;
  readonly leader: SimLeader;
  /** Revision of the newest checkpoint it took its state from: what is older it cannot tell. */
  loadedRevision = 0;
  failed = false;
  private readonly watches: WatchServer;
  private readonly dependencies: ApiserverDependencies;

  static async start(
    { plan, firstVoters }: ApiserverOptions,
    dependencies: ApiserverDependencies,
  ): Promise<SimApiserver> {
    const { host, random, faults } = dependencies;
    const disk = faults.has("sync-does-nothing")
      ? withoutSync(dependencies.disk)
      : dependencies.disk;
    const { log, stored } = await openGroupLog(
      {
        dir: `/${host.id}`,
        firstVoters,
        identity: { cluster: "sim", node: host.id },
        segmentBytes: SEGMENT_BYTES,
      },
      { disk, clock: host.process, logger: noopLogger, random },
    );
    dependencies.books.raft.started(host.id, stored);
    const server = new SimApiserver(plan, { ...dependencies, log, stored });
    await server.runner.start();
    if (host.process.isAlive) server.leader.role.start();
    return server;
  }

  private constructor(
    plan: Plan,
    dependencies: ApiserverDependencies &
      Pick<Awaited<ReturnType<typeof openGroupLog>>, "log" | "stored">,
  ) {
    this.dependencies = dependencies;
    const { host, random, net, books, faults, log, stored } = dependencies;
    const { id, process } = host;
    this.host = host;
    this.incarnation = log.identity.incarnation;
    const chance = () => random.float();
    const machine: StateMachineOptions = {
      history: { maxChanges: plan.historyChanges, maxBytes: 1 << 30 },
      ...(faults.has("forgets-requests") && { remembered: { count: 1, distance: 1 } }),
    };
    const replicated = new FaultyLog({ node: id, machine }, { faults, chance });
    this.store = new ReplicatedStore(
      { timeoutMs: REQUEST_MS, machine },
      {
        log: replicated,
        clock: process,
        random,
        holdsLease: (node) => this.leader.role.leases.holds(node),
        forward: (leader, request) =>
          net.ask(host, leader.node, (server) => server.takeIn(request), ASK_MS),
      },
    );
    this.leader = new SimLeader({
      store: this.store,
      host,
      random,
      faults,
      leaseMs: plan.leaseMs,
      liveMoves: plan.liveMoves,
    });
    const begin = replicated.beginInstall.bind(replicated);
    const beginInstall = () => {
      const install = begin();
      return {
        push: (bytes: Uint8Array) => install.push(bytes),
        finish: () => {
          install.finish();
          this.installed();
        },
      };
    };
    this.runner = new RaftRunner(
      {
        core: {
          id,
          incarnation: this.incarnation,
          trailingBytes: 4000,
          chunkBytes: 2048,
          maxBatchEntries: 16,
        },
        runner: {
          tickMs: TICK_MS,
          checkpointEntries: plan.checkpointEntries,
          requestTimeoutMs: REQUEST_MS,
          checkpointRetryMs: 500,
        },
      },
      stored,
      {
        clock: process,
        random,
        logger: noopLogger,
        log: observed(log, faults, (save) => {
          if (process.isAlive) books.raft.saved(id, save, this.runner.status);
        }),
        transport: {
          send: (message) => net.post(host, message.to, (server) => server.receive(message)),
        },
        machine: {
          apply: (entries) => replicated.apply(entries),
          freeze: () => replicated.freeze(),
          beginInstall,
        },
        events: {
          onChange: (status) => {
            if (!process.isAlive) return;
            books.raft.changed(id, status);
            books.note(id, status.role, status.term);
            replicated.leaderChanged();
            this.leader.role.changed();
          },
          onApplied: (entries) => {
            if (!process.isAlive) return;
            books.history.applied(id, entries, this.store.figures);
            books.raft.changed(id, this.runner.status);
          },
          onFailed: () => {
            this.failed = true;
          },
        },
      },
    );
    const client = { readIndex: () => this.readIndex() };
    replicated.join({ runner: this.runner, client }, () => this.freeze());
    this.watches = new WatchServer(this.store, { process, faults, chance });
    books.history.began(id, 0, this.store.figures);
  }

  receive(message: RaftMessage): void {
    this.runner.receive(message);
  }

  takeIn(request: TxnRequest): Promise<TakenIn> {
    return this.store.takeIn(request);
  }

  /** @throws ControlError */
  async txn(request: TxnRequest): Promise<TxnResult> {
    const { faults, random, host } = this.dependencies;
    const chance = random.float();
    if (faults.has("drops-compares") && chance < 0.2)
      return await this.store.txn({
        ...request,
        compare: request.compare.filter(({ type }) => type !== "value"),
      });
    const done = this.store.txn(request);
    if (faults.has("answers-before-commit") && this.runner.status.role === "leader") {
      done.catch(() => {});
      await host.process.sleep(1);
      return { succeeded: true, revision: this.store.figures.revision + 1 };
    }
    const result = await done;
    return faults.has("answers-another-revision") && chance < 0.05
      ? { ...result, revision: result.revision + 1 }
      : result;
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.store.range(request);
  }

  async renew(renewal: Renewal): Promise<RenewalAnswer> {
    const { host, net } = this.dependencies;
    const leader = this.store.leader();
    if (leader === undefined) throw new ControlError("no-quorum", "nobody leads");
    if (leader.node === host.id) return await this.leader.renew(renewal);
    return await net.ask(host, leader.node, (server) => server.leader.renew(renewal), ASK_MS);
  }

  async openWatch(request: WatchRequest): Promise<string> {
    return this.watches.open(request);
  }

  nextEvent(watch: string, number: number): Promise<Told> {
    return this.watches.ask(watch, number);
  }

  /** What is left of a process that was killed: nobody hears of it any more. */
  end(): void {
    this.leader.role.stop();
    this.store.stop();
    // Its disk is dead: this settles never, or with nothing to say.
    this.runner.stop().catch(() => {});
  }

  private readIndex(): Promise<ReadResult> {
    const { host, net } = this.dependencies;
    const { leader } = this.runner;
    if (leader === undefined || leader.node === host.id) return this.runner.readIndex();
    return net.ask(host, leader.node, (server) => server.runner.readIndex(), ASK_MS);
  }

  private freeze(): FrozenState {
    const frozen = this.store.freeze();
    if (!this.dependencies.faults.has("checkpoint-loses-a-key")) return frozen;
    const items = new OrderedMap<KeyValue>();
    frozen.items.visit("", (item, key) => {
      if (!key.startsWith("worlds/")) items.set(key, item);
      return true;
    });
    return { ...frozen, items: items.freeze() };
  }

  private installed(): void {
    const { books, host } = this.dependencies;
    if (!host.process.isAlive) return;
    const { revision } = this.store.figures;
    this.loadedRevision = revision;
    const { index } = this.store.freeze();
    books.history.installed(host.id, index, this.store.figures);
  }
}
