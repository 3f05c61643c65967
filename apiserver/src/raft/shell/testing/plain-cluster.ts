import { LifeRaft, type LifeRaftNode } from "../liferaft.ts";

export interface PlainPacket {
  readonly type: string;
  readonly term: number;
  readonly data?: readonly { readonly index: number }[];
}

/** The package's own log, and what it keeps its entries in; in memory, and outliving its node. */
export interface PlainLog {
  getEntriesAfter(index: number): Promise<readonly { readonly command: unknown }[]>;
}

export interface PlainClusterDependencies {
  /** The package's log class. */
  readonly Log: unknown;
  readonly makeStore: (node: string) => unknown;
}

/** So long that no election begins by itself during a test. */
const NEVER = { "election min": 600_000, "election max": 900_000 };
const HEARTBEAT_MS = 10;
/** Turns of the event loop after which a node that hears nothing has come to its end. */
const QUIET_TURNS = 100;

/** Nodes of the package as it is, with its own log, over a network of this process that is good unless a test says otherwise. */
export class PlainCluster {
  readonly nodes = new Map<string, LifeRaftNode & { readonly log: PlainLog }>();
  readonly commits = new Map<string, unknown[]>();
  readonly acked: unknown[] = [];
  /** False drops a packet. */
  filter: (from: string, to: string, packet: PlainPacket) => boolean = () => true;
  private readonly cuts = new Set<string>();
  private readonly stores = new Map<string, unknown>();
  private readonly ids: readonly string[];
  private readonly dependencies: PlainClusterDependencies;

  constructor(ids: readonly string[], dependencies: PlainClusterDependencies) {
    this.ids = ids;
    this.dependencies = dependencies;
    for (const id of ids) this.start(id);
  }

  start(id: string): void {
    const store = this.stores.get(id) ?? this.dependencies.makeStore(id);
    this.stores.set(id, store);
    const { Log } = this.dependencies;
    const made = new LifeRaft({
      address: id,
      Log,
      adapter: () => store,
      heartbeat: HEARTBEAT_MS,
      ...NEVER,
    });
    const node = made as LifeRaftNode & { readonly log: PlainLog };
    this.nodes.set(id, node);
    const commits = this.commits.get(id) ?? [];
    this.commits.set(id, commits);
    node.on("commit", (command: unknown) => commits.push(command));
    for (const other of this.ids)
      if (other !== id) node.join(other, (packet, done) => this.ask(node, other, packet, done));
  }

  node(id: string): LifeRaftNode & { readonly log: PlainLog } {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  leads(id: string): boolean {
    return this.nodes.get(id)?.state === LifeRaft.LEADER;
  }

  /** Nothing reaches it, and nothing of it reaches others. */
  isolate(id: string): void {
    this.cuts.add(id);
  }

  heal(): void {
    this.cuts.clear();
  }

  /** Nobody hears of it from now on; resolves when it has ended. */
  async stop(id: string): Promise<void> {
    const node = this.nodes.get(id);
    this.nodes.delete(id);
    if (node === undefined) return;
    // What still runs in it would fail at timers and a store that `end` takes away.
    node.heartbeat = () => node;
    for (let turn = 0; turn < QUIET_TURNS; turn++) await new Promise((then) => setImmediate(then));
    node.end();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.nodes.keys()].map((id) => this.stop(id)));
  }

  async commandsOf(id: string): Promise<readonly unknown[]> {
    return (await this.node(id).log.getEntriesAfter(0)).map(({ command }) => command);
  }

  private ask(
    node: LifeRaftNode,
    to: string,
    packet: unknown,
    done: (error?: Error, answer?: unknown) => void,
  ): void {
    const { address } = node;
    if (this.nodes.get(address) !== node) return;
    this.carry(address, to, packet, (receiver, copy) =>
      receiver.emit("data", copy, (answer: unknown) => {
        if (answer === undefined || this.nodes.get(to) !== receiver) return;
        this.carry(to, address, answer, (asker, back) => asker === node && done(undefined, back));
      }),
    );
  }

  private carry(
    from: string,
    to: string,
    packet: unknown,
    arrive: (to: LifeRaftNode, copy: PlainPacket) => void,
  ): void {
    const copy: PlainPacket = JSON.parse(JSON.stringify(packet));
    if (!this.filter(from, to, copy)) return;
    setImmediate(() => {
      const node = this.nodes.get(to);
      if (node && !this.cuts.has(from) && !this.cuts.has(to)) arrive(node, copy);
    });
  }
}
