import type { Checkpoint, Entry } from "./types.ts";

interface Envelope {
  readonly from: string;
  readonly to: string;
  /** The sender's term. */
  readonly term: number;
  /** Which log stands behind the sender's id (`Members.incarnations`); 0 where that is not used. */
  readonly incarnation: number;
}

/** Asks whether an election could be won, without changing anything. */
export interface PreVote extends Envelope {
  readonly type: "pre-vote";
  /** The term the election would have. */
  readonly forTerm: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface PreVoteAnswer extends Envelope {
  readonly type: "pre-vote-answer";
  readonly forTerm: number;
  readonly granted: boolean;
}

export interface Vote extends Envelope {
  readonly type: "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader asked for this election itself: followers need not be loyal to it. */
  readonly transfer: boolean;
}

export interface VoteAnswer extends Envelope {
  readonly type: "vote-answer";
  readonly granted: boolean;
}

export interface Append extends Envelope {
  readonly type: "append";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/** The follower has, on its disk, the leader's log up to `match`. */
export interface AppendOk extends Envelope {
  readonly type: "append-ok";
  readonly match: number;
  /** Its log is new: it does not vote yet (`RaftStatus.newLog`). */
  readonly newLog: boolean;
}

/** The follower's log has no entry of `prevTerm` at `prevIndex`. */
export interface AppendRefused extends Envelope {
  readonly type: "append-refused";
  /** `prevIndex` of the append this answers. */
  readonly prevIndex: number;
  /** The logs can agree at this index at most; the follower's entry there has `hintTerm`. */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

export interface Heartbeat extends Envelope {
  readonly type: "heartbeat";
  /** What the leader knows to be on this follower's disk. */
  readonly match: number;
  /** At most `match`. */
  readonly commit: number;
  /** Comes back in the answer; 0 tells only the commit and wants none. */
  readonly round: number;
}

export interface HeartbeatAnswer extends Envelope {
  readonly type: "heartbeat-answer";
  readonly round: number;
}

/**
 * A piece of the leader's checkpoint. The core leaves `data` empty: the runner reads `length` bytes
 * at `offset` of the checkpoint with this index and puts them in before it sends (`withChunkData`).
 */
export interface CheckpointChunk extends Envelope {
  readonly type: "checkpoint-chunk";
  readonly checkpoint: Checkpoint;
  /** What the leader has committed. */
  readonly commit: number;
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
}

/** The follower has the checkpoint's bytes up to `offset` and wants what follows. */
export interface CheckpointAnswer extends Envelope {
  readonly type: "checkpoint-answer";
  /** Index of the checkpoint. */
  readonly index: number;
  readonly offset: number;
}

/** The leader asks the receiver to start an election at once. */
export interface TimeoutNow extends Envelope {
  readonly type: "timeout-now";
}

/** Tells a sender of an older term which term it is. */
export interface StaleTerm extends Envelope {
  readonly type: "stale-term";
}

/** A leader tells a node that another log stands behind its id. */
export interface Retire extends Envelope {
  readonly type: "retire";
  /** The incarnation that is meant, the receiver's. */
  readonly retired: number;
}

export type RaftMessage =
  | PreVote
  | PreVoteAnswer
  | Vote
  | VoteAnswer
  | Append
  | AppendOk
  | AppendRefused
  | Heartbeat
  | HeartbeatAnswer
  | CheckpointChunk
  | CheckpointAnswer
  | TimeoutNow
  | StaleTerm
  | Retire;

/** A message without what the core puts on every envelope. */
export type MessageBody = RaftMessage extends infer M
  ? M extends RaftMessage
    ? Omit<M, keyof Envelope>
    : never
  : never;

/** The chunk message to send, once the runner has read its bytes. @throws RangeError on another length. */
export function withChunkData(message: CheckpointChunk, data: Uint8Array): CheckpointChunk {
  if (data.length !== message.length)
    throw new RangeError(
      `a chunk of ${message.length} bytes at ${message.offset} of checkpoint ${message.checkpoint.index} was read as ${data.length} bytes`,
    );
  return { ...message, data };
}
