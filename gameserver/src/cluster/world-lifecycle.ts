import {
  type ControlPlane,
  firstShard,
  OperatingError,
  ownerKey,
  shardKey,
  type WorldRecord,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { ReplicaSourceFacts } from "../host/protocol.ts";
import type { MigrationHost } from "../migration/migration-host.ts";
import type { Hosting } from "../placement/hosting.ts";
import type { HostingEffect } from "../placement/hosting-types.ts";
import type { KeptWorld, WorldRequest } from "../server/hosted-world.ts";
import type { WorldSnapshots } from "../snapshots/world-snapshots.ts";
import type { PreparedModules } from "./prepared-modules.ts";

/** The part of a gameserver that opens and closes worlds. */
export interface OpenableWorlds {
  open(request: WorldRequest, baseDir: string): Promise<unknown>;
  /**
   * `handedOver`: another node goes on with its state. `keep`: it is followed here then, if it was sealed for that; what it
   * is followed as.
   */
  close(
    world: string,
    handedOver: boolean,
    keep?: ReplicaSourceFacts,
  ): Promise<KeptWorld | undefined>;
}

export interface WorldLifecycleDependencies {
  readonly control: Pick<ControlPlane, "node">;
  readonly hosting: Pick<Hosting, "isUnderWay" | "records">;
  readonly modules: Pick<PreparedModules, "take">;
  /** The store of snapshots that all nodes reach; absent: there is none. */
  readonly snapshots: WorldSnapshots | undefined;
  readonly migrations: MigrationHost | undefined;
  /** Undefined: they are not there yet. */
  worlds(): OpenableWorlds | undefined;
  /** False once the node stops: a close does not wait for the snapshot store any more. */
  isRunning(): boolean;
}

export interface WorldLifecycleOptions {
  /** A world that is opened here for the first time starts anew; its stored state is set aside. */
  readonly fresh: boolean;
}

/**
 * How a world is opened and closed here, with the state that its files and the snapshot store have of it. All of it may
 * be lost to other nodes at any wait in between; `Hosting` knows whether a deed is still under way.
 */
export class WorldLifecycle {
  private readonly options: WorldLifecycleOptions;
  private readonly dependencies: WorldLifecycleDependencies;
  /** Shards that were opened here once. */
  private readonly seen = new Set<string>();

  constructor(options: WorldLifecycleOptions, dependencies: WorldLifecycleDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  /** @throws what it could not be opened for; OperatingError `ownership-lost`: it was taken away meanwhile */
  async open({
    shard,
    attempt,
    record,
    ownership,
  }: Extract<HostingEffect, { type: "open" }>): Promise<void> {
    const world = worldOfShard(shard);
    const file = await this.dependencies.modules.take(shard, record.module);
    if (world === undefined || file === undefined || firstShard(world) !== shard)
      throw new OperatingError("no-module", `the module of ${shard} was not prepared`);
    const { config, durability, graceSeconds, sleepAfterSeconds } = record;
    const fresh = this.options.fresh && !this.seen.has(shard);
    const settings = { config, durability, graceSeconds, sleepAfterSeconds };
    const request = { world, module: file, ...settings, fresh };
    await this.begin(shard, attempt, { ...request, ownership });
    if (this.options.fresh) this.seen.add(shard);
  }

  /**
   * Opens a world from this node's files, or from the snapshot store if that has a newer state. `attempt`: of the
   * opening, which may be over, and the shard another's, whenever somebody else has answered.
   */
  private async begin(
    shard: string,
    attempt: number,
    request: WorldRequest & { readonly ownership: Ownership },
  ): Promise<void> {
    const { ownership, durability, fresh } = request;
    const snapshots = durability === "none" ? undefined : this.dependencies.snapshots;
    const open = async (how: WorldRequest) => {
      this.checkUnderWay(shard, attempt);
      await this.dependencies.worlds()?.open(how, "");
    };
    const newest = fresh ? undefined : await snapshots?.newest(shard, ownership);
    this.checkUnderWay(shard, attempt);
    const here: WorldRequest = { ...request, recorded: newest?.recorded };
    snapshots?.expect(shard, newest);
    try {
      await open(here);
    } catch (error) {
      const code = error instanceof OperatingError ? error.code : undefined;
      if (newest === undefined || snapshots === undefined) throw error;
      if (code === "state-elsewhere") {
        const { exact } = newest;
        await snapshots.fetch(shard, newest);
        if (!exact) await snapshots.giveUpOthers(shard, ownership);
        await open({ ...here, fetched: { exact } });
      } else if (code === "state-disputed") {
        await snapshots.giveUpOthers(shard, ownership);
        await open({ ...here, othersGivenUp: true });
      } else throw error;
    }
  }

  /** @throws OperatingError: everything was lost meanwhile, and what the shard is now is not known to the one who asks */
  private checkUnderWay(shard: string, attempt: number): void {
    if (this.dependencies.hosting.isUnderWay(shard, attempt)) return;
    throw new OperatingError("ownership-lost", `the shard ${shard} was given away meanwhile`);
  }

  /**
   * Closes a world. One that another node is to have goes on until the snapshot store answers: it would go back in
   * time there. Its last state is then recorded, before it is given back. One that has moved, and is to be mirrored here,
   * is followed from then on: what it is followed as.
   */
  async close({
    shard,
    attempt,
    reason,
    then,
  }: Extract<HostingEffect, { type: "close" }>): Promise<KeptWorld | undefined> {
    const world = worldOfShard(shard) ?? shard;
    const { snapshots, control, migrations, hosting } = this.dependencies;
    const { records } = hosting;
    const isKept = then === "release" && this.durabilityOf(world) !== "none";
    const { wanted } = records.seen("shard", shardKey(shard)).record ?? {};
    const isCurrent = () => hosting.isUnderWay(shard, attempt);
    if (isKept && wanted !== undefined && wanted !== control.node)
      await snapshots?.reachable(shard, () => this.dependencies.isRunning() && isCurrent());
    // From here on it is saved in its last state, which is to be recorded: its mirror is needed no more.
    await migrations?.mirrors.free(shard, "it is closed");
    // Everything was lost meanwhile: what runs now is another one.
    if (!isCurrent()) return undefined;
    // It may be sealed for a move that comes to nothing: it does not go on then, and nobody is told that it does.
    migrations?.gone(shard, reason);
    // It has moved, or is somebody else's: what it leaves here is of no account.
    const { node } = records.seen("owner", ownerKey(shard)).record ?? {};
    if (node !== control.node) snapshots?.forget(shard);
    const isHandedOver = node !== undefined && node !== control.node;
    const keep = isHandedOver ? migrations?.mirrors.toKeep(shard) : undefined;
    const left = await this.dependencies.worlds()?.close(world, isHandedOver, keep);
    if (isKept) await snapshots?.finish(shard);
    else snapshots?.forget(shard);
    return left;
  }

  /** Of a world that was removed, nothing is kept any more. */
  private durabilityOf(world: string): WorldRecord["durability"] {
    return (
      this.dependencies.hosting.records.seen("world", worldKey(world)).record?.durability ?? "none"
    );
  }
}
