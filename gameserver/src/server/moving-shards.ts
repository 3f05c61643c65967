import { OperatingError, type ShardSealed, type ShardUnsealed } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { ToThread, WorldSettings } from "../host/protocol.ts";
import type { ThreadPool } from "../host/thread-pool.ts";
import type { MirroredWorlds } from "../mirror/mirror-home.ts";
import { HeldMessages } from "./held-messages.ts";
import type { KeptWorld, WorldRequest } from "./hosted-world.ts";
import type { OutGate } from "./out-gate.ts";
import type { ProxyLinks } from "./proxy-links.ts";
import type { LeftShard, ShardLifecycle } from "./shard-lifecycle.ts";
import type { SleepingWorlds } from "./sleeping-worlds.ts";

export interface MovingShardsDependencies {
  readonly pool: ThreadPool;
  readonly gate: OutGate;
  readonly sleeping: SleepingWorlds;
  readonly proxies: ProxyLinks;
  readonly shards: ShardLifecycle;
}

/**
 * What migrations and mirrors ask of a gameserver: to follow shards that run elsewhere until they run here, or are let go,
 * and to hold back what those say that run here.
 */
export class MovingShards implements MirroredWorlds {
  private readonly dependencies: MovingShardsDependencies;
  /** Replicas of what runs elsewhere, as they are to run here, with what comes for them before they do. */
  private readonly following = new Map<string, { settings: WorldSettings; held: HeldMessages }>();

  constructor(dependencies: MovingShardsDependencies) {
    this.dependencies = dependencies;
  }

  /** To the thread of a shard that runs here or is followed here. */
  tell(shard: string, message: ToThread): void {
    const { pool, sleeping } = this.dependencies;
    const send = () => pool.send(shard, message);
    if (sleeping.keep(shard, send, true) === "awake") send();
  }

  /** To every proxy, behind all that the shard has let out; `told` is called then, if that comes. */
  tellProxies(message: ShardSealed | ShardUnsealed, told?: () => void): void {
    this.dependencies.proxies.sendToAll(message, told);
  }

  /** What the shard lets out waits for its mirror, until `releaseOutput` names its tick. */
  gateOutput(shard: string): void {
    this.dependencies.gate.gate(shard);
  }

  releaseOutput(shard: string, tick: number): void {
    this.dependencies.gate.release(shard, tick);
  }

  ungateOutput(shard: string): void {
    this.dependencies.gate.ungate(shard);
  }

  actUnleased(shard: string, holds: boolean): void {
    const { gate, pool } = this.dependencies;
    gate.actUnleased(shard, holds);
    pool.send(shard, { type: "act-unleased", shard, holds });
  }

  /** Begins a replica of a world that runs elsewhere; another one of the same shard takes its place. */
  follow(
    request: WorldRequest,
    replica: Pick<Extract<ToThread, { type: "replica" }>, "state" | "source">,
  ): void {
    const { shards, pool } = this.dependencies;
    const settings = shards.settingsOf(request, "");
    const { shard } = settings;
    const held = this.following.get(shard)?.held ?? new HeldMessages();
    this.following.set(shard, { settings, held });
    pool.follow({ type: "replica", settings, ...replica });
  }

  /** A world that ran here is followed from where it was sealed. */
  keep({ state, settings: ran }: LeftShard): KeptWorld {
    const settings: WorldSettings = {
      ...{ ...ran, fresh: false, ownership: undefined, othersGivenUp: undefined },
      ...{ recorded: undefined, fetched: undefined, waking: undefined },
    };
    this.following.set(settings.shard, { settings, held: new HeldMessages() });
    const { world, file: module, config, durability, graceSeconds, sleepAfterMs = 0 } = settings;
    const about = { world, module, config, durability, graceSeconds, fresh: false };
    return { state, request: { ...about, sleepAfterSeconds: sleepAfterMs / 1000 } };
  }

  /** Drops the replica that is there; resolves once nothing of it is left. */
  unfollow(shard: string): Promise<void> {
    return this.dependencies.pool.unfollow(shard);
  }

  /** No replica of it follows any more. */
  endFollowing(shard: string): void {
    const entry = this.following.get(shard);
    this.following.delete(shard);
    this.dependencies.pool.endFollowing(shard);
    entry?.held.release();
  }

  /**
   * What comes for a shard that is followed here: `take` is called once it runs here, or is followed no more. False: it is
   * not followed, or too much waits for it already.
   */
  hold(shard: string, take: () => void): boolean {
    return this.following.get(shard)?.held.hold(take) ?? false;
  }

  /**
   * The replica runs from now on, and proxies are told. `mirrored`: by who has its state; what it lets out waits for that
   * from the first tick on. @throws OperatingError: nothing of it is left then
   */
  async promote(
    shard: string,
    ownership: Ownership,
    { dueMs, mirrored = false }: { readonly dueMs: number; readonly mirrored?: boolean },
  ): Promise<void> {
    const { pool, gate, proxies, shards } = this.dependencies;
    const entry = this.following.get(shard);
    if (entry === undefined) throw new OperatingError("no-replica", `no replica of ${shard} here`);
    const { losses } = shards;
    gate.forget(shard);
    if (mirrored) this.gateOutput(shard);
    // The switch has committed: what proxies send from now on is held until the shard runs, before its first tick.
    const { world } = entry.settings;
    proxies.sendToAll({ type: "placed", world, shard, epoch: ownership.epoch });
    const opened = await pool.promote(shard, ownership, dueMs, mirrored);
    if (losses !== shards.losses) {
      await pool.close(shard);
      throw new OperatingError("ownership-lost", `the shard ${shard} was given away meanwhile`);
    }
    this.following.delete(shard);
    shards.isOpen({ ...entry.settings, ownership }, opened);
    entry.held.release();
    proxies.announceHosting();
  }
}
