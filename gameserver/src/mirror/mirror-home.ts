import type { MigrationRecord, Revision, Seen } from "@atlasnet/core";
import type { MigrationHome, MovingWorlds } from "../migration/migration-home.ts";
import type { FollowedView } from "./follower-types.ts";

/** What the watch shows of a shard, whenever it is looked at. */
export type MirrorView = FollowedView & { readonly migration: Seen<MigrationRecord> };

/** What mirrors need of the node. */
export interface MirrorHome
  extends Pick<
    MigrationHome,
    | "node"
    | "registration"
    | "txn"
    | "arrive"
    | "departed"
    | "whyNoRoom"
    | "prepare"
    | "ownershipOf"
    | "expect"
    | "adopted"
  > {
  /** To be kept by whoever looks often. */
  mirrorView(shard: string): MirrorView;
  /** The epoch at which it runs here, whether or not something is about to be done with it. */
  epochHere(shard: string): Revision | undefined;
}

/** The part of a gameserver that runs worlds, as mirrors use it. */
export interface MirroredWorlds extends MovingWorlds {
  /** What the shard lets out waits until `releaseOutput` names its tick. */
  gateOutput(shard: string): void;
  releaseOutput(shard: string, tick: number): void;
  /** Nothing waits any more. */
  ungateOutput(shard: string): void;
  /** What is released leaves without a lease, too, and the shard ticks; or that holds no more. */
  actUnleased(shard: string, holds: boolean): void;
}
