import type { ReplicaCloseCode, ReplicaOpen, ToOwner, ToReplica } from "@atlasnet/core";
import type { FromThread, ToThread } from "../host/protocol.ts";
import type { ReplicaCounts } from "./counts.ts";

export interface ReplicaSourceOptions {
  readonly shard: string;
  /** Of the ownership that is followed. */
  readonly epoch: number;
  /** Of the record that allows it: the migration's, or the mirror's. */
  readonly id: string;
  /** The rest has its defaults in bounds.ts. */
  readonly bytesPerSecond?: number;
  readonly windowBytes?: number;
  readonly pieceBytes?: number;
  readonly maxKeptDeltaBytes?: number;
  readonly maxKeptDeltas?: number;
  readonly maxCopies?: number;
  readonly resumeMs?: number;
  /** The follower has this state already: no copy is made, the deltas go on from it. */
  readonly begins?: BegunState;
}

/** A state that both sides have. */
export type BegunState = Pick<
  Extract<FromThread, { type: "copy-begun" }>,
  "tick" | "timeline" | "tickRate" | "definition"
>;

export interface ReplicaSourceDependencies {
  /** A number that no copy of this process had, greater than all before. */
  readonly nextCopy: () => number;
  /** CRC-32, as `crc32` of `node:zlib` gives it. */
  readonly checksum: (bytes: Uint8Array) => number;
  readonly counts: ReplicaCounts;
}

/** What a ReplicaSource is told. Messages of a link that is not the stream's newest one are not passed on to it. */
export type SourceEvent =
  /** A link of the follower asked for it, and the shell found its ticket good. The link before, if any, is closed. */
  | { readonly type: "opened"; readonly open: Pick<ReplicaOpen, "copy" | "bytes" | "tick"> }
  | { readonly type: "link-lost" }
  | { readonly type: "message"; readonly message: Exclude<ToOwner, ReplicaOpen> }
  | { readonly type: "thread"; readonly message: SourceFact }
  /** What follows here once the state of the seal is somebody else's: told with the seal. To be told before it. */
  | { readonly type: "keeps" }
  /** The world thread has no copy to give ("failed" during "copy"), or is gone. Without `copy`: whichever it is. */
  | { readonly type: "copy-failed"; readonly copy?: number | undefined; readonly problem: string }
  /** A mirror is told that the owner is there, and acknowledges what it has. */
  | { readonly type: "pulse" }
  /** The stream ends by this side's will: the follower is told, the copy is dropped. */
  | { readonly type: "end"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** `nextAt` has come. */
  | { readonly type: "time" };

/** What a world thread says that concerns a source. Those of other copies of the shard are ignored. */
export type SourceFact = Extract<
  FromThread,
  { type: "copy-begun" | "copy-piece" | "delta" | "sealed" }
>;

export type SourceEffect =
  | {
      readonly type: "thread";
      readonly message: Extract<ToThread, { type: "copy" | "read-copy" | "end-copy" }>;
    }
  /** `bulk`: over `replica-bulk:<shard>`, otherwise over `replica:<shard>`, of the newest link. */
  | { readonly type: "send"; readonly bulk: boolean; readonly message: ToReplica }
  /** A copy begins; `again`: the one before is of no use any more, and neither is a `ready`. */
  | { readonly type: "copying"; readonly copy: number; readonly again: boolean }
  /** The follower has the whole copy. */
  | { readonly type: "copied"; readonly bytes: number; readonly tick: number }
  /** The follower has the state of `tick`: what an owner that waits for its mirror may let out. */
  | { readonly type: "acknowledged"; readonly tick: number }
  /** At most one tick is not acknowledged; and that this is so no more. They alternate. */
  | { readonly type: "caught-up" }
  | { readonly type: "lagging" }
  /** The follower could take over. */
  | { readonly type: "ready" }
  /** The follower is the owner, at `owner`. The stream is over. */
  | { readonly type: "done"; readonly owner: number }
  /** The stream is over; the other side was told if it could be. `byPeer`: the follower ended it. */
  | {
      readonly type: "failed";
      readonly code: ReplicaCloseCode;
      readonly reason: string;
      readonly byPeer: boolean;
    };

export interface SourceProgress {
  /** Number of the present copy; 0: none. */
  readonly copy: number;
  readonly copies: number;
  /** Acknowledged bytes of it, and its length; 0 while it is not known. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** The follower has all of it. */
  readonly whole: boolean;
  /** Deltas that the follower has not acknowledged: ticks that changed nothing do not count. */
  readonly lagTicks: number;
  readonly lagBytes: number;
}
