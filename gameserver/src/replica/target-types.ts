import type { ReplicaCloseCode, ToOwner, ToReplica } from "@atlasnet/core";
import type { FromThread, ReplicaState, ToThread } from "../host/protocol.ts";
import type { ReplicaCounts } from "./counts.ts";
import type { BegunState } from "./source-types.ts";

export interface ReplicaTargetOptions {
  readonly shard: string;
  /** The owner's, as the record that allows this names it. */
  readonly epoch: number;
  /** Of that record. */
  readonly id: string;
  /** Of this node. */
  readonly boot: string;
  /**
   * Have a copy on this node's disk, and say `replica-ready` then: the target of a migration. A mirror does neither, and
   * acknowledges deltas when they have come, not when the world thread has taken them in.
   */
  readonly keeps: boolean;
  /** The rest has its defaults in bounds.ts. */
  readonly maxStateBytes?: number;
  readonly resumeMs?: number;
  /** The world thread has this state already, and the owner goes on from it: no copy comes. */
  readonly begins?: BegunState;
}

export interface ReplicaTargetDependencies {
  /** CRC-32, as `crc32` of `node:zlib` gives it. */
  readonly checksum: (bytes: Uint8Array) => number;
  readonly counts: ReplicaCounts;
}

/** What a ReplicaTarget is told. Messages of a link that is not its newest one are not passed on to it. */
export type TargetEvent =
  /** There is a link to the owner. After `link-lost` the shell dials again, until `failed`. */
  | { readonly type: "link-up" }
  | { readonly type: "link-lost" }
  | { readonly type: "message"; readonly message: ToReplica }
  | { readonly type: "thread"; readonly message: TargetFact }
  /** The world thread gave the replica up ("failed" during "replica"), or is gone: there is nothing to drop. */
  | {
      readonly type: "replica-failed";
      readonly code: "wrong-module" | "bad-data" | "failed";
      readonly problem: string;
    }
  /** The stream ends by this side's will: the owner is told, the replica is dropped. */
  | { readonly type: "end"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** This node is the owner now, at `owner`: the owner before is told, the replica stays. */
  | { readonly type: "done"; readonly owner: number }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type TargetFact = Extract<
  FromThread,
  { type: "replica-open" | "replica-at" | "replica-kept" }
>;

export type TargetEffect =
  /** Tell the thread "replica" with this state, and the world's settings. */
  | { readonly type: "replica"; readonly state: ReplicaState; readonly tickRate: number }
  | {
      readonly type: "thread";
      readonly message: Extract<
        ToThread,
        { type: "replica-piece" | "replica-delta" | "keep-replica" | "drop-replica" }
      >;
    }
  /** All over `replica:<shard>` of the newest link. */
  | { readonly type: "send"; readonly message: ToOwner }
  /** A copy begins; what was here is dropped. `bytes` 0: its length is not known. */
  | {
      readonly type: "copying";
      readonly copy: number;
      readonly tick: number;
      readonly bytes: number;
    }
  /** All that came was taken in: once for each copy. */
  | { readonly type: "caught-up"; readonly tick: number }
  /** The owner was told that this node could take over: once for each copy. */
  | { readonly type: "ready" }
  /**
   * The owner stands still after `tick`, and the state here is the same. `receivedAt`, `dueAt`: ms on the clock of
   * `handle`; the next tick is due then. Nothing that happens to the link counts from here on.
   */
  | {
      readonly type: "sealed";
      readonly tick: number;
      readonly receivedAt: number;
      readonly dueAt: number;
      /** The owner keeps this state, to follow from it; both have it. */
      readonly kept?: BegunState;
    }
  /** The stream is over, the replica is dropped; the other side was told if it could be. `byPeer`: the owner ended it. */
  | {
      readonly type: "failed";
      readonly code: ReplicaCloseCode;
      readonly reason: string;
      readonly byPeer: boolean;
    };

export interface TargetProgress {
  /** 0: there is none yet. */
  readonly copy: number;
  /** Taken in by the world thread; and the length, 0 while it is not known. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly whole: boolean;
  /** The tick of the state here; 0 before the copy is whole. */
  readonly tick: number;
  /** Deltas that came and are not taken in yet. */
  readonly lagTicks: number;
}
