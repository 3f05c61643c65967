import type { RaftMessage } from "./messages.ts";

/**
 * What a node must never forget about elections. Term and vote are one record, so that no crash
 * can leave the vote of one term beside the number of another.
 */
export interface HardState {
  readonly term: number;
  /** Id of the member that got this node's vote in `term`; empty when nobody did. */
  readonly vote: string;
}

/**
 * One record of the log. `index` counts from 1 without gaps.
 * - `command`: bytes for the state machine.
 * - `no-op`: a leader's first entry of its term, without data.
 * - `members`: the whole membership from here on (`encodeMembers`).
 */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: "command" | "no-op" | "members";
  readonly data: Uint8Array;
}

/** Who takes part. Changes by one node at a time, and a node comes in as a learner. */
export interface Members {
  /** They vote and count for commits; sorted, without doubles. */
  readonly voters: readonly string[];
  /** They get the log and count for nothing; sorted, disjoint from the voters. */
  readonly learners: readonly string[];
  /**
   * Which log stands behind an id: a random positive number that a node draws when it makes its log
   * and keeps in it. A node that lost its log comes back with another number, and is not believed.
   * An id without one is not known yet: the leader records it when it first hears from that node.
   */
  readonly incarnations: Readonly<Record<string, number>>;
}

/**
 * The state machine after `index`, without its bytes: those are read and written in chunks by the
 * runner. `term` is the term of the entry at `index`, `members` who took part after it.
 */
export interface Checkpoint {
  readonly index: number;
  readonly term: number;
  readonly members: Members;
  /** Length of the bytes. */
  readonly size: number;
}

/** What a node reads from its disk when it starts. Entries follow the checkpoint or overlap it. */
export interface StoredState {
  readonly hardState: HardState;
  readonly checkpoint: Checkpoint | undefined;
  readonly entries: readonly Entry[];
}

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** A piece of a checkpoint from the leader; pieces come in order, `offset` 0 begins anew. */
export interface ReceivedChunk {
  readonly checkpoint: Checkpoint;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** The answer to `readIndex(context)`: serve the read once `index` is applied, or not at all. */
export type ReadAnswer =
  | { readonly context: number; readonly ok: true; readonly index: number }
  | {
      readonly context: number;
      readonly ok: false;
      /** `busy`: too many reads wait (`maxPendingReads`). */
      readonly reason: "not-leader" | "busy";
      readonly leader: string | undefined;
    };

/**
 * What the runner has to do, in this order:
 * 1. send `messagesNow`: they depend on nothing in here;
 * 2. make durable: `hardState` and `truncateFrom` (entries from there on are void) before
 *    `checkpoint` (all `chunks` were written first; it replaces every entry up to its index) before
 *    `entries`. Without a checkpoint that is one save. Done when synced; a failed sync stops the node;
 * 3. send `messagesAfterSync`;
 * 4. load `checkpoint` into the state machine, apply `committed`, answer `reads`;
 * 5. call `advance(ready)`.
 *
 * The core may be stepped meanwhile, and `takeMessagesNow()` sent; the next Ready comes after `advance`.
 */
export interface Ready {
  readonly hardState: HardState | undefined;
  readonly truncateFrom: number | undefined;
  readonly chunks: readonly ReceivedChunk[];
  /** A checkpoint that is complete with `chunks`: install it. */
  readonly checkpoint: Checkpoint | undefined;
  readonly entries: readonly Entry[];
  readonly messagesNow: readonly RaftMessage[];
  readonly messagesAfterSync: readonly RaftMessage[];
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadAnswer[];
}

export type ProposeResult =
  | { readonly ok: true; readonly firstIndex: number; readonly term: number }
  | {
      readonly ok: false;
      /**
       * `busy`: `maxUncommittedBytes` wait for a quorum, or leadership is being transferred: try
       * again in a moment. `too-large`: a command has more than `maxEntryBytes`.
       */
      readonly reason: "not-leader" | "busy" | "too-large";
      readonly leader: string | undefined;
    };

export type MemberChange =
  /** `incarnation` may be left out when it is not known; then the first contact decides. */
  | { readonly type: "add-learner"; readonly id: string; readonly incarnation?: number }
  | { readonly type: "promote"; readonly id: string }
  | { readonly type: "remove"; readonly id: string };

export type ChangeResult =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | {
      readonly ok: false;
      /**
       * - `not-ready`: the no-op of this term is not committed yet, or leadership is being transferred.
       * - `change-pending`: one change at a time; the last is not committed yet.
       * - `already-member`, `not-a-learner`, `not-a-member`: the change makes no sense.
       * - `behind`: a learner is promoted once it has caught up with the log, and a member removed once
       *   a majority of those who stay has followed this leader.
       * - `last-voter`: a group keeps one voter.
       * - `too-many`: `MAX_MEMBERS`.
       */
      readonly reason:
        | "not-leader"
        | "not-ready"
        | "change-pending"
        | "already-member"
        | "not-a-learner"
        | "not-a-member"
        | "behind"
        | "last-voter"
        | "too-many";
      readonly leader: string | undefined;
    };

export type TransferResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: "not-leader" | "not-a-voter" | "already-leader" | "transfer-pending";
      readonly leader: string | undefined;
    };

/** A follower as its leader sees it. */
export interface FollowerStatus {
  readonly id: string;
  readonly voter: boolean;
  /** `probe`: finding where the logs part; `replicate`: pipelining; `checkpoint`: too far behind for the log. */
  readonly mode: "probe" | "replicate" | "checkpoint";
  /** Highest entry known to be on its disk. */
  readonly match: number;
  readonly next: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  /** It answered within the last election timeout. */
  readonly active: boolean;
  /** Bytes of the checkpoint it has acknowledged, while one is on its way. */
  readonly checkpointOffset: number | undefined;
}

export interface RaftStatus {
  readonly id: string;
  readonly role: Role;
  readonly term: number;
  readonly vote: string;
  readonly leader: string | undefined;
  /** It has not heard all from a leader yet and votes only for candidates as new (`NEW_LOG_VOTE`). */
  readonly newLog: boolean;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Highest entry that is on this node's disk. */
  readonly stableIndex: number;
  /** Entries before this one are only in the checkpoint. */
  readonly firstIndex: number;
  readonly checkpointIndex: number;
  readonly members: Members;
  readonly membersPending: boolean;
  readonly transferTo: string | undefined;
  readonly uncommittedBytes: number;
  readonly pendingReads: number;
  /** Empty unless this node leads. */
  readonly followers: readonly FollowerStatus[];
  /**
   * Set once this node must stop for good: its log is not the one the group knows under its id.
   * It neither votes nor acknowledges anything any more. It can come back as a new member.
   */
  readonly retired: "another-incarnation" | "lost-entries" | undefined;
}
