import { ReplicatedStore } from "@atlasnet/apiserver";
import {
  LeaderRole,
  type LogEntry,
  type Migrations,
  migrate,
  NodeLinks,
  SIM_PLACEMENT,
  StateMachine,
  upgrade,
} from "@atlasnet/apiserver/sim";
import {
  abandonMirror,
  ControlError,
  type ControlStore,
  cordonNode,
  decodeRecord,
  encodeRecord,
  firstShard,
  isAlive,
  type KeyValue,
  mirrorKey,
  nodeKey,
  noopLogger,
  ownerKey,
  parseRecordKey,
  seen,
  shardKey,
} from "@atlasnet/core";
import type { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { mirrorInSync, nodeOf } from "../checkers/records.ts";
import { CLUSTER } from "./control-tie.ts";
import { SimLog } from "./sim-log.ts";

/** A migration may take so long. */
const MIGRATION_MS = 20_000;
/** Of a store that was never restored. */
const GENERATION = 0;

export interface SimApiserversOptions {
  readonly ids: readonly string[];
  /** Until a transaction is committed, at most. */
  readonly commitMs: number;
}

export interface SimApiserversDependencies {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  /** Sees every committed entry, with the state behind it. */
  onCommitted(entries: readonly LogEntry[]): void;
}

/**
 * The apiservers as nodes see them: real links, calls, leases and placement, in front of one store that is never lost.
 * Logs, elections and replicas of their own have a simulation for themselves (`npm run sim -- control`).
 */
export class SimApiservers {
  /** What was committed, at the very moment when it is: for checkers. */
  readonly committed = new StateMachine();
  readonly store: ReplicatedStore;
  readonly role: LeaderRole;
  private readonly options: SimApiserversOptions;
  private readonly deps: SimApiserversDependencies;
  private readonly log: SimLog;
  private readonly fronts = new Map<string, NodeLinks>();

  constructor(options: SimApiserversOptions, dependencies: SimApiserversDependencies) {
    const { clock, random } = dependencies;
    this.options = options;
    this.deps = dependencies;
    const [node = ""] = options.ids;
    this.log = new SimLog(
      { node, delayMs: options.commitMs },
      {
        clock,
        random: random.fork("log"),
        onCommitted: (entries) => {
          for (const entry of entries) this.committed.apply(entry);
          dependencies.onCommitted(entries);
        },
      },
    );
    this.store = new ReplicatedStore(
      {},
      {
        log: this.log,
        clock,
        random: random.fork("store"),
        holdsLease: (of) => this.role.leases.holds(of),
      },
    );
    this.role = new LeaderRole(
      { node, placement: SIM_PLACEMENT },
      { store: this.store, clock, logger: noopLogger },
    );
  }

  get ids(): readonly string[] {
    return this.options.ids;
  }

  async start(): Promise<void> {
    this.role.start();
    for (const id of this.ids) await this.serve(id);
  }

  item(key: string): KeyValue | undefined {
    return this.committed.get(key);
  }

  /** Nodes that are linked to it find another one; it is back after a while. */
  crash(id: string, backAfterMs: number): void {
    const { network, clock } = this.deps;
    if (!this.fronts.delete(id)) return;
    network.kill(id);
    clock.setTimer(backAfterMs, () => void this.serve(id));
  }

  elect(afterMs: number): void {
    this.log.elect(afterMs, () => this.role.changed());
  }

  /** What an operator's request does. @throws ApiError with the reason why not, ControlError */
  async migrate(world: string, to: string): Promise<void> {
    await migrate(this.migrations, asked(world, to));
  }

  /**
   * What an operator's `world upgrade` does, to the module of a path. `tried`: only by a move, which tries it; a world
   * that does not run is left alone. @throws ApiError with the reason why not, ControlError
   */
  async upgrade(
    world: string,
    to: string,
    path: string,
    { tried }: { readonly tried: boolean },
  ): Promise<void> {
    const { migrations } = this;
    const parts = tried ? { ...migrations, store: leavesWorlds(migrations.store) } : migrations;
    await upgrade(parts, { ...asked(world, to), module: { source: "node", path } });
  }

  private get migrations(): Migrations {
    const { clock, random } = this.deps;
    return { store: this.store, clock, random, moves: undefined };
  }

  /** The control plane makes a node the owner, instead of asking it: what it must not do. @throws ControlError */
  async decree(world: string, to: string): Promise<void> {
    const key = ownerKey(firstShard(world));
    const [owner, node] = [this.item(key), this.item(nodeKey(to))];
    const before = owner && decodeRecord("owner", owner.value);
    const known = node && decodeRecord("node", node.value);
    if (!before?.ok || !known?.ok) return;
    const record = { ...before.record, node: to, boot: known.record.boot };
    await this.store.txn({
      compare: [],
      then: [{ type: "put", key, value: encodeRecord("owner", record) }],
    });
  }

  /** New shards stay away from a node, or may come again. @throws ControlError */
  async cordon(node: string, cordoned: boolean): Promise<void> {
    const item = this.item(nodeKey(node));
    const decoded = item && decodeRecord("node", item.value);
    if (!decoded?.ok || item === undefined) return;
    const before = seen(decoded.record, item);
    const made = cordonNode(node, before, GENERATION, cordoned);
    if (made.ok) await this.store.txn(made.txn);
  }

  /**
   * What an operator's `world restore-from-snapshot` does, who has made sure that owner and mirror are dead: both nodes are
   * back as others. @throws ControlError
   */
  async restore(world: string): Promise<void> {
    const lost = this.lostBoth(firstShard(world));
    if (lost?.every(({ record, boot }) => record?.boot !== boot)) await this.abandon(world);
  }

  /**
   * The control plane gives up the mirror of an owner that it takes for lost, and asks another node, as if that owner could
   * not act without a lease: what it must not do. @throws ControlError
   */
  async giveUp(world: string, to: string): Promise<void> {
    if (this.lostBoth(firstShard(world)) !== undefined) await this.abandon(world, to);
  }

  /** The nodes of a shard's owner and of its mirror in sync, if both are taken for lost, and the boots that had it. */
  private lostBoth(shard: string) {
    const both = mirrorInSync(this.item(ownerKey(shard)), this.item(mirrorKey(shard)));
    if (both === undefined) return undefined;
    const nodes = [both.owner, both.mirror].map(({ node, boot }) => ({
      ...{ boot, record: nodeOf(this.item(nodeKey(node))) },
    }));
    return nodes.some(({ record, boot }) => isAlive(record, boot)) ? undefined : nodes;
  }

  private async abandon(world: string, to?: string): Promise<void> {
    const shard = firstShard(world);
    const { compare, then } = abandonMirror(shard, {
      modified: this.item(mirrorKey(shard))?.modified ?? 0,
    });
    const wish = to && encodeRecord("shard", { wanted: to, reason: "operator" });
    const asks = wish ? [{ type: "put", key: shardKey(shard), value: wish } as const] : [];
    await this.store.txn({ compare, then: [...then, ...asks] });
  }

  private async serve(node: string): Promise<void> {
    const { network, clock } = this.deps;
    const front = new NodeLinks(
      { cluster: CLUSTER, node, software: "simulated" },
      {
        store: this.store,
        renewals: this.role.leases,
        members: () => this.ids.map((id) => ({ node: id, address: `${id}:2556` })),
        clock,
        logger: noopLogger,
      },
    );
    this.fronts.set(node, front);
    await network.node({ role: "apiserver", node }).listen((link) => front.accept(link));
  }
}

function asked(world: string, to: string) {
  return {
    ...{ shard: firstShard(world), to, deadlineMs: MIGRATION_MS },
    ...{ by: "an operator", request: undefined },
  };
}

/** A store that changes no world's record. */
function leavesWorlds(store: ControlStore): ControlStore {
  return {
    range: (request) => store.range(request),
    watch: (request, events) => store.watch(request, events),
    leader: () => store.leader(),
    txn: async (request) => {
      const isOfWorld = request.then.some(
        (each) => "key" in each && parseRecordKey(each.key)?.kind === "world",
      );
      if (isOfWorld) throw new ControlError("bad-request", "this request tries a module first");
      return store.txn(request);
    },
  };
}
