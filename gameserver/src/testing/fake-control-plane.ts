import {
  type AsleepSlice,
  type Change,
  type ControlPlane,
  type ControlPlaneEvents,
  type ControlStore,
  changeNodeState,
  createWorld,
  firstShard,
  type MigrationProgress,
  markLost,
  type NodeLoad,
  type NodeRegistration,
  nodeKey,
  ownerKey,
  type Proposal,
  type RangeRequest,
  registerNode,
  type ShardProblem,
  updateWorld,
  type WatchEvents,
  type WatchRequest,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, TinyStore, wantShard, worldRecord } from "@atlasnet/core/testing";

/** A control plane in this process, whose lease and leader the test plays. */
export class FakeControlPlane implements ControlPlane {
  readonly node: string;
  readonly tiny: TinyStore;
  readonly store: ControlStore;
  readonly states: string[] = [];
  registration: NodeRegistration | undefined;
  load: (() => NodeLoad) | undefined;
  problems: (() => Iterable<ShardProblem>) | undefined;
  migrations: (() => Iterable<MigrationProgress>) | undefined;
  asleep: (() => AsleepSlice | undefined) | undefined;
  /** How often there was news. */
  hurries = 0;
  /** Takes in nothing any more, and answers nothing. */
  silent = false;
  /** The watch of this prefix shows nothing until `catchUp`. */
  late: string | undefined;
  private readonly held: (() => void)[] = [];
  private readonly watches = new Set<(changes: readonly Change[]) => void>();
  private readonly marks: (() => void)[] = [];
  private events: ControlPlaneEvents | undefined;
  private holds = false;
  private boots = 0;

  constructor({ node = "g", tiny = new TinyStore() }: { node?: string; tiny?: TinyStore } = {}) {
    this.node = node;
    this.tiny = tiny;
    // Several nodes may share a store.
    const { onChanges } = tiny;
    tiny.onChanges = (changes) => {
      onChanges?.(changes);
      for (const watch of this.watches) watch(changes);
      for (const mark of this.marks.splice(0)) mark();
    };
    this.store = {
      range: async (request) => this.range(request),
      txn: async (request) => (this.silent ? never() : tiny.txn(request)),
      watch: (request, events) => this.watch(request, events),
      leader: () => undefined,
    };
  }

  async start(
    events: ControlPlaneEvents,
    load: () => NodeLoad,
    problems?: () => Iterable<ShardProblem>,
    migrations?: () => Iterable<MigrationProgress>,
    asleep?: () => AsleepSlice | undefined,
  ): Promise<void> {
    this.events = events;
    this.load = load;
    this.problems = problems;
    this.migrations = migrations;
    this.asleep = asleep;
    this.register();
  }

  hurry(): void {
    this.hurries += 1;
  }

  mayAct(): boolean {
    return this.holds;
  }

  async setState(state: "ready" | "draining" | "stopped"): Promise<void> {
    if (this.silent) return never();
    const boot = this.registration?.boot ?? "";
    this.propose(changeNodeState(this.node, this.nodeNow, boot, state));
    this.states.push(state);
  }

  async stop(): Promise<void> {
    this.holds = false;
  }

  /** The lease runs out; nobody else knows. `told`: the events, too. */
  seal(): void {
    this.holds = false;
    this.events?.sealed("expired");
  }

  unseal(): void {
    this.holds = true;
    this.events?.unsealed();
  }

  /** The lease stops to hold, and this process has not noticed yet. */
  expire(): void {
    this.holds = false;
  }

  /** The leader takes everything from the node; it comes back with another boot. */
  async lose(): Promise<void> {
    this.tiny.leases.delete(this.node);
    this.seal();
    this.propose(markLost(this.node, this.nodeNow, this.tiny.term));
    this.registration = undefined;
    await this.events?.lost();
  }

  register(): void {
    const boot = `${this.node}${++this.boots}`;
    const { generation } = this.tiny;
    const revision = this.propose(
      registerNode(this.node, this.nodeNow, {
        record: nodeRecord({ boot }),
        generation,
        previousBoot: this.nodeNow.record?.boot,
      }),
    );
    this.tiny.leases.add(this.node);
    this.registration = { boot, generation, revision };
    this.events?.registered(this.registration);
    this.unseal();
  }

  /** A world of the catalogue, meant for a node. */
  createWorld(world: string, fields: Partial<WorldRecord>, wanted: string | undefined): void {
    this.propose(createWorld(world, this.tiny.seen("world", worldKey(world)), worldRecord(fields)));
    this.want(world, wanted);
  }

  changeWorld(world: string, record: WorldRecord): void {
    this.propose(updateWorld(world, this.tiny.seen("world", worldKey(world)), record));
  }

  catchUp(): void {
    this.late = undefined;
    for (const say of this.held.splice(0)) say();
  }

  want(world: string, wanted: string | undefined): void {
    const { succeeded } = this.tiny.txn(wantShard(this.tiny, world, wanted));
    if (!succeeded) throw new Error(`nobody can be asked to take ${firstShard(world)}`);
  }

  owner(world: string) {
    return this.tiny.seen("owner", ownerKey(firstShard(world)));
  }

  /** Resolves once it holds; looked at after every change of the store. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.marks.push(resolve));
  }

  private get nodeNow() {
    return this.tiny.seen("node", nodeKey(this.node));
  }

  private propose(made: Proposal<string>): number {
    if (!made.ok) throw new Error(made.problem);
    const { succeeded, revision } = this.tiny.txn(made.txn);
    if (!succeeded) throw new Error("the transaction did not hold");
    return revision;
  }

  private range(request: RangeRequest) {
    const { tiny } = this;
    const keys = "key" in request ? [request.key] : tiny.keys(request.prefix);
    const after = request.after ?? "";
    const items = keys.flatMap((key) => (key > after ? (tiny.get(key) ?? []) : []));
    const limit = request.limit ?? items.length;
    return { revision: tiny.revision, items: items.slice(0, limit), more: items.length > limit };
  }

  private watch(request: WatchRequest, events: WatchEvents) {
    const selects = (key: string) =>
      "key" in request ? key === request.key : key.startsWith(request.prefix);
    const tell = (all: readonly Change[]) => {
      const changes = all.filter((change) =>
        selects(change.type === "put" ? change.item.key : change.key),
      );
      const { revision } = this.tiny;
      const say = () =>
        void setImmediate(() => {
          if (this.watches.has(tell)) events.changed({ revision, changes });
        });
      if ("prefix" in request && request.prefix === this.late) this.held.push(say);
      else say();
    };
    this.watches.add(tell);
    return { close: () => void this.watches.delete(tell) };
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
