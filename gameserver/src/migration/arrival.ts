import {
  OperatingError,
  type ReplicaCloseCode,
  type Revision,
  type WorldRecord,
} from "@atlasnet/core";
import type { ReplicaNews, ToThread } from "../host/protocol.ts";
import type { MovedFrom } from "../placement/hosting-view.ts";
import { problemOf } from "../problem-of.ts";
import type { TargetEffect, TargetEvent } from "../replica/target-types.ts";
import type { WorldRequest } from "../server/hosted-world.ts";
import type { MigrationHome, MovingWorlds } from "./migration-home.ts";

export interface ArrivalDependencies {
  readonly home: Pick<
    MigrationHome,
    "arrive" | "departed" | "whyNoRoom" | "prepare" | "ownershipOf" | "expect" | "adopted"
  >;
  readonly worlds: MovingWorlds;
  /** A fault of this process's own. */
  broken(error: unknown): void;
}

/** The transaction by which a shard became this node's. */
export interface Taken {
  readonly epoch: Revision;
  readonly of: MovedFrom;
  readonly dueMs: number;
  /** By who has the state already: what it lets out waits for that. */
  readonly mirrored?: boolean;
  /** When it wrote the world's record, if it did. */
  readonly recorded?: Revision | undefined;
}

/**
 * A shard on its way into this node, as a mirror's or a migration's replica: kept free for it, prepared, followed by a
 * thread, and in the end taken over or let go.
 */
export class Arrival {
  private readonly shard: string;
  private readonly dependencies: ArrivalDependencies;
  /** What it is to run as, once it was prepared. */
  private runs: { readonly request: WorldRequest; readonly world: WorldRecord } | undefined;
  private isKeptFree = false;

  constructor(shard: string, dependencies: ArrivalDependencies) {
    this.shard = shard;
    this.dependencies = dependencies;
  }

  /** The shard is kept free for it. */
  get hasBegun(): boolean {
    return this.isKeptFree;
  }

  /** False: something else is under way with the shard; ask again later. */
  begin(): boolean {
    this.isKeptFree = this.dependencies.home.arrive(this.shard);
    return this.isKeptFree;
  }

  /** It ran here, its replica is there already, and the shard is kept free for that. */
  keep(request: WorldRequest, world: WorldRecord): void {
    this.isKeptFree = true;
    this.runs = { request, world };
  }

  /** @throws OperatingError that says why it cannot run here */
  async prepare(world: WorldRecord): Promise<void> {
    const { home } = this.dependencies;
    const problem = home.whyNoRoom();
    if (problem !== undefined) throw new OperatingError("no-room", problem);
    const request = await home.prepare(this.shard, world);
    this.runs = { request, world };
  }

  follow(
    { state }: Extract<TargetEffect, { type: "replica" }>,
    source: Extract<ToThread, { type: "replica" }>["source"],
  ): void {
    if (this.runs !== undefined)
      this.dependencies.worlds.follow(this.runs.request, { state, source });
  }

  /** What the replica's stream asks of its thread. */
  tellThread({ message }: Extract<TargetEffect, { type: "thread" }>): void {
    const { worlds, broken } = this.dependencies;
    if (message.type !== "drop-replica") return worlds.tell(this.shard, message);
    worlds.unfollow(this.shard).catch((error: unknown) => broken(error));
  }

  /**
   * It is this node's. Undefined: it runs; otherwise why it does not, and is opened as after a failure. `isThere`: whether
   * its replica is; `isDropped`: whether everything was taken from this node meanwhile.
   */
  async promote(
    { epoch, of, dueMs, mirrored = false, recorded }: Taken,
    { isThere, isDropped }: { readonly isThere: boolean; isDropped(): boolean },
  ): Promise<string | undefined> {
    const { home, worlds } = this.dependencies;
    const { shard, runs } = this;
    const ownership = home.ownershipOf(shard, epoch, of);
    try {
      if (runs === undefined || !isThere)
        throw new OperatingError("no-replica", "its replica is gone");
      home.expect(shard, runs.world);
      await worlds.promote(shard, ownership, { dueMs, mirrored });
      if (isDropped()) return "this node was taken for lost";
      home.adopted(shard, ownership, runs.world, recorded);
      this.isKeptFree = false;
      return undefined;
    } catch (error) {
      await this.leave();
      return problemOf(error);
    }
  }

  /** Nothing of the replica stays here; then the shard may be had in other ways. */
  async leave(): Promise<void> {
    if (!this.isKeptFree) return;
    const { worlds, home } = this.dependencies;
    await worlds.unfollow(this.shard);
    worlds.endFollowing(this.shard);
    this.isKeptFree = false;
    home.departed(this.shard);
  }
}

/** What a replica's stream is told when its thread could not go on; undefined: the word is about something else. */
export function replicaFailure(
  news: Extract<ReplicaNews, { type: "failed" }>,
): Extract<TargetEvent, { type: "replica-failed" }> | undefined {
  if (news.during !== "replica") return undefined;
  const { code: name, message: problem } = news.error;
  const code: ReplicaCloseCode = name === "wrong-module" || name === "bad-data" ? name : "failed";
  return { type: "replica-failed", code, problem };
}
