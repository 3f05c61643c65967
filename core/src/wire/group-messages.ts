/**
 * Between apiservers, about a group that keeps a log together; calls and answers also between a node and an
 * apiserver, about the control store. All since version 3.
 */
export type GroupMessage = RaftEnvelope | Call | Answer;

/** The channel of `raft`, `call` and `answer` messages. */
export const RAFT_CHANNEL = "raft";
/** The channel of `raft` messages that carry pieces of checkpoints; its sender says `bulk`. */
export const RAFT_BULK_CHANNEL = "raft-bulk";

/** The channel of `call` and `answer` messages between a node and an apiserver. */
export const CONTROL_CHANNEL = "control";
/** The `group` of these messages. */
export const NODES_GROUP = "nodes";

/** A message of the consensus protocol, for the other member's core. */
export interface RaftEnvelope {
  type: "raft";
  /** The group's name; there may be several between the same nodes. */
  group: string;
  /** See apiserver/src/raft/shell/message-codec.ts; docs/links.md has the layout. */
  body: Uint8Array;
}

/** A question to an apiserver; `id` is the asker's, unique on its link. Answered by `answer`. */
export interface Call {
  type: "call";
  group: string;
  id: number;
  method: string;
  body: Uint8Array;
}

export interface Answer {
  type: "answer";
  group: string;
  id: number;
  /** `ok`, or a code that says why not; the meaning of `body` depends on both. */
  code: string;
  body: Uint8Array;
}
