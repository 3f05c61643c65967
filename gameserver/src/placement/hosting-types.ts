import type {
  Change,
  KeyValue,
  NodeRegistration,
  Revision,
  TxnRequest,
  WorldRecord,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";

/** What Hosting is told. `attempt` is of the effect that is answered; answers to older ones are of no account. */
export type HostingEvent =
  | { readonly type: "registered"; readonly registration: NodeRegistration }
  /** Everything was taken from this node; whoever says so closes what runs. */
  | { readonly type: "lost" }
  /** Everything below a prefix, read anew. */
  | { readonly type: "view"; readonly prefix: string; readonly items: readonly KeyValue[] }
  | { readonly type: "changes"; readonly changes: readonly Change[] }
  /** The module of a world is there to be loaded, or not. */
  | {
      readonly type: "prepared";
      readonly shard: string;
      readonly attempt: number;
      readonly problem?: string;
    }
  | {
      readonly type: "answered";
      readonly shard: string;
      readonly attempt: number;
      readonly answer: TxnAnswer;
    }
  | {
      readonly type: "opened";
      readonly shard: string;
      readonly attempt: number;
      readonly problem?: string;
    }
  /**
   * It runs no more. `problem`: its last state could not be written. `kept`: it is followed here now, as a replica that has
   * arrived; see "arriving".
   */
  | {
      readonly type: "closed";
      readonly shard: string;
      readonly attempt: number;
      readonly problem?: string;
      readonly kept?: boolean;
    }
  /** It runs no more, and was not closed: its thread died, or its output was thrown away. */
  | { readonly type: "died"; readonly shard: string; readonly problem: string }
  /** A new epoch is needed for what runs; answered by `renewed`. */
  | { readonly type: "renew"; readonly shard: string }
  /** A replica of it is about to be here; refused unless the shard is at rest: see `isArriving`. */
  | { readonly type: "arriving"; readonly shard: string }
  /** The replica runs, and this node is the owner: the switch has committed. */
  | {
      readonly type: "adopted";
      readonly shard: string;
      readonly ownership: Ownership;
      /** As what it runs. */
      readonly record: WorldRecord;
      /** When the world's record became this one, if the watch may not have shown that yet; else 0. */
      readonly recorded: Revision;
    }
  /** The replica is gone. */
  | { readonly type: "departed"; readonly shard: string }
  /** Give everything away, claim nothing more. */
  | { readonly type: "draining" }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type TxnAnswer =
  | { readonly type: "done"; readonly revision: Revision }
  /** Something it compared with was not so any more: nothing was changed. */
  | { readonly type: "conflict" }
  /** `unknown`: it may have been applied, or be so yet. */
  | { readonly type: "failed"; readonly problem: string; readonly unknown: boolean };

export type HostingEffect =
  /** Have the module of a world ready to be loaded; answered by `prepared`. */
  | {
      readonly type: "prepare";
      readonly shard: string;
      readonly attempt: number;
      readonly record: WorldRecord;
    }
  /** Answered by `answered`. */
  | {
      readonly type: "txn";
      readonly shard: string;
      readonly attempt: number;
      readonly purpose: "claim" | "reclaim" | "release";
      readonly request: TxnRequest;
    }
  /** Answered by `opened`. */
  | {
      readonly type: "open";
      readonly shard: string;
      readonly attempt: number;
      readonly record: WorldRecord;
      readonly ownership: Ownership;
    }
  /** Let nobody in any more, save, stop; answered by `closed`. */
  | {
      readonly type: "close";
      readonly shard: string;
      readonly attempt: number;
      readonly reason: string;
      /** What comes then: it is given back, or looked at again. */
      readonly then: "release" | "rest";
    }
  /** Answers `renew`; undefined when there is no new epoch: what runs goes on as it is. */
  | {
      readonly type: "renewed";
      readonly shard: string;
      readonly ownership: Ownership | undefined;
    }
  /** For people. */
  | {
      readonly type: "report";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly facts: { readonly [name: string]: string | number };
    };
