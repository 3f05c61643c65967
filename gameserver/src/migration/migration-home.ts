import type {
  NodeRegistration,
  Revision,
  ShardSealed,
  ShardUnsealed,
  SwitchView,
  TxnRequest,
  WorldRecord,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { ToThread } from "../host/protocol.ts";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import type { MovedFrom } from "../placement/hosting-view.ts";
import type { WorldRequest } from "../server/hosted-world.ts";

/** What migrations need of the node: its records, its registration, its way to the control plane, its modules. */
export interface MigrationHome {
  readonly node: string;
  readonly registration: NodeRegistration | undefined;
  /** What the watch shows of a shard. */
  view(shard: string): SwitchView;
  txn(request: TxnRequest): Promise<TxnAnswer>;
  /** It runs here at this epoch, and nothing else is about to be done with it. */
  runsAt(shard: string, epoch: Revision): boolean;
  /** Keeps the shard free for a replica; false: something is under way with it, ask again later. */
  arrive(shard: string): boolean;
  /** The replica is gone. */
  departed(shard: string): void;
  /** Why this node has no room for it; undefined: it has. */
  whyNoRoom(): string | undefined;
  /** What it is to run as, with its module here. @throws OperatingError that says what to do */
  prepare(shard: string, world: WorldRecord): Promise<WorldRequest>;
  /** As which this node owns what the switch at `epoch` gave it. */
  ownershipOf(shard: string, epoch: Revision, of: MovedFrom): Ownership;
  /** It is about to run: what it writes is for the snapshot store. */
  expect(shard: string, world: WorldRecord): void;
  /** It runs here. `recorded`: when the world's record became this one, if the watch may not have shown that yet. */
  adopted(shard: string, ownership: Ownership, world: WorldRecord, recorded?: Revision): void;
  /** It has moved here, and how long its players waited for it, in ms. */
  measured(shard: string, measured: { readonly gapMs: number; readonly bytes: number }): void;
  /** Renewals have news of migrations. */
  hurry(): void;
}

/** The part of a gameserver that runs worlds, as migrations use it. */
export interface MovingWorlds {
  /** To the thread of a shard that runs here or is followed here. */
  tell(shard: string, message: ToThread): void;
  /** To every proxy, behind all that the shard has let out; `told` is called then, if that comes. */
  tellProxies(message: ShardSealed | ShardUnsealed, told?: () => void): void;
  /** Begins a replica; another one of the same shard takes its place. */
  follow(
    request: WorldRequest,
    message: Omit<Extract<ToThread, { type: "replica" }>, "type" | "settings">,
  ): void;
  /** Drops the replica that is there; resolves once nothing of it is left. */
  unfollow(shard: string): Promise<void>;
  /** No replica follows any more. */
  endFollowing(shard: string): void;
  /**
   * The replica runs, and proxies are told. `mirrored`: what it lets out waits for who has its state, from the first tick
   * on. @throws OperatingError: nothing of it is left then
   */
  promote(
    shard: string,
    ownership: Ownership,
    how: { readonly dueMs: number; readonly mirrored?: boolean },
  ): Promise<void>;
}
