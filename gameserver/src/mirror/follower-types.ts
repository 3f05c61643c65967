import type {
  Claimant,
  MirrorRecord,
  NodeRecord,
  PromotionView,
  ReplicaCloseCode,
  Revision,
  Seen,
  TxnRequest,
} from "@atlasnet/core";
import type { TxnAnswer } from "../placement/hosting-types.ts";

/** What a MirrorFollower is told. */
export type FollowerEvent =
  /** The watch has shown something; `view` says what. */
  | { readonly type: "look" }
  /** It is its turn, and the shard is kept free here. */
  | { readonly type: "begin" }
  /** What was to be kept here is not: `comes` was wrong. */
  | { readonly type: "not-kept" }
  /** The module is there, and this node can take the shard; or it cannot. */
  | { readonly type: "prepared"; readonly problem?: string }
  /** A copy begins: what was here is no more. */
  | { readonly type: "copying" }
  /** The copy is whole, and what came since was taken in. */
  | { readonly type: "following" }
  /** The owner has said something. */
  | { readonly type: "heard" }
  /** The owner is not to be reached: its link closed as peer-gone, and there is no other. */
  | { readonly type: "owner-gone" }
  /** The owner has ended the stream; what is here stays. */
  | { readonly type: "closed" }
  /** The stream came to an end on this side: the replica is gone. */
  | { readonly type: "failed"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** This node takes part no more: one in sync is withdrawn first. */
  | { readonly type: "give-up"; readonly problem: string }
  | { readonly type: "answered"; readonly attempt: number; readonly answer: TxnAnswer }
  /** It ticks here now; or it does not, and is opened as after any failure. */
  | { readonly type: "promoted"; readonly problem?: string }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type FollowerEffect =
  /** Look whether this node can take it, and fetch its module; answered by `prepared`. */
  | { readonly type: "prepare" }
  /** Follow the owner, with nothing here. */
  | { readonly type: "follow" }
  /** No acknowledgement from here on; and nothing that the owner says is taken in until `reopen`. */
  | { readonly type: "silence" }
  /** Say to the owner what is here, and acknowledge again. */
  | { readonly type: "reopen" }
  /** Answered by `answered`. */
  | { readonly type: "txn"; readonly attempt: number; readonly request: TxnRequest }
  /** The shard is this node's, at `epoch`; answered by `promoted`. */
  | { readonly type: "promote"; readonly epoch: Revision }
  /** The replica goes, and the owner is told. */
  | { readonly type: "drop"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** For people and figures. */
  | { readonly type: "suspected"; readonly reason: string }
  | { readonly type: "withdraws"; readonly reason: string }
  /** Nothing more comes of this mirror. `promoted`: the shard is this node's; with a `problem`, without its replica. */
  | {
      readonly type: "over";
      readonly outcome: MirrorOutcome;
      readonly problem: string;
    };

/** `withdrawn`: this boot's own transaction has ended the record. */
export type MirrorOutcome = "promoted" | "withdrawn" | "ended";

export type FollowerPhase =
  /** For its turn. */
  | "waiting"
  | "preparing"
  | "following"
  /** Something failed: it begins again after a pause. */
  | "pausing"
  /** Nothing is acknowledged any more; `promoteMirror` or `withdrawMirror` may have committed. */
  | "suspecting"
  /** The shard is this node's. */
  | "promoting"
  | "over";

/** What the watch shows of a shard that is followed, and of its owner's node. */
export interface FollowedView extends PromotionView {
  readonly ownerNode: Seen<NodeRecord>;
}

export interface MirrorFollowerOptions {
  readonly shard: string;
  /** Of this node. */
  readonly me: Claimant;
  /** As it was seen first. */
  readonly mirror: MirrorRecord;
  /** An owner that says nothing for so long, in ms, is suspected. */
  readonly suspectMs: number;
  /**
   * The shard ran here until it was switched to the owner, which this node mirrors since: its state is about to be handed
   * over by what ran it. Until `prepared`, or `not-kept`, nobody is suspected.
   */
  readonly comes?: boolean;
}
