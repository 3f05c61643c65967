import type { CloseCode, DefinitionData, Plain } from "@atlasnet/world";

/**
 * Every message that travels on links, as a union on `type`. Bounds, the CBOR form and the protocol
 * version that brought a field are in link-codec.ts. `attach` is a number the proxy gives an
 * attachment of one client to one shard, unique on its link; `epoch` fences every message about a
 * shard (design rule 5.3). Messages about a shard go over the channel `shard:<shard>`, messages about
 * a node over `node`.
 */
export type LinkMessage = ShardMessage | NodeMessage | GroupMessage | ReplicaMessage;

export type ShardMessage = ToShard | ToProxy;
export type ToShard = Attach | Watch | Detach | Leave | Upstream;
export type ToProxy =
  | Attached
  | Watching
  | Closed
  | Transfer
  | Notice
  | Downstream
  | ShardReset
  | ShardSealed
  | ShardUnsealed;
export type NodeMessage = Hosting | Placed;
/**
 * Between gameservers, about a shard that one of them owns and the other follows (since version 4). All go over
 * `replica:<shard>` but pieces, which go over `replica-bulk:<shard>`. Whoever follows opens the link.
 */
export type ReplicaMessage = ToOwner | ToReplica;
export type ToOwner = ReplicaOpen | ReplicaAck | ReplicaReady | ReplicaDone | ReplicaClose;
export type ToReplica =
  | ReplicaCopy
  | ReplicaPiece
  | ReplicaDelta
  | ReplicaPulse
  | ReplicaSealed
  | ReplicaClose;
/**
 * Between apiservers, about a group that keeps a log together; calls and answers also between a node and an
 * apiserver, about the control store. All since version 3.
 */
export type GroupMessage = RaftEnvelope | Call | Answer;

const toShard: ReadonlySet<string> = new Set<ToShard["type"]>([
  "attach",
  "watch",
  "detach",
  "leave",
  "upstream",
]);
const toProxy: ReadonlySet<string> = new Set<ToProxy["type"]>([
  "attached",
  "watching",
  "closed",
  "transfer",
  "notice",
  "downstream",
  "shard-reset",
  "shard-sealed",
  "shard-unsealed",
]);

export function isToShard(message: LinkMessage): message is ToShard {
  return toShard.has(message.type);
}

export function isToProxy(message: LinkMessage): message is ToProxy {
  return toProxy.has(message.type);
}

/** The channel of messages about a node. */
export const NODE_CHANNEL = "node";

/** The channel of `raft`, `call` and `answer` messages. */
export const RAFT_CHANNEL = "raft";
/** The channel of `raft` messages that carry pieces of checkpoints; its sender says `bulk`. */
export const RAFT_BULK_CHANNEL = "raft-bulk";

/** The channel of `call` and `answer` messages between a node and an apiserver. */
export const CONTROL_CHANNEL = "control";
/** The `group` of these messages. */
export const NODES_GROUP = "nodes";

/** The channel of messages about a shard. */
export function shardChannel(shard: string): string {
  return `shard:${shard}`;
}

/** What a replica of a shard is for. The same two nodes may have one of each at a time. */
export type ReplicaUse = "migration" | "mirror";

/** The channel of messages about a replica of a shard. */
export function replicaChannel(shard: string, use: ReplicaUse): string {
  return use === "migration" ? `replica:${shard}` : `mirror:${shard}`;
}

/** The channel of `replica-piece` messages; its sender says `bulk`. */
export function replicaBulkChannel(shard: string, use: ReplicaUse): string {
  return use === "migration" ? `replica-bulk:${shard}` : `mirror-bulk:${shard}`;
}

/**
 * What a gameserver hosts: the whole list, sent when a link opens; after every change where there is no control plane,
 * whose records proxies watch.
 */
export interface Hosting {
  type: "hosting";
  worlds: readonly HostedShard[];
}

export interface HostedShard {
  readonly world: string;
  readonly shard: string;
  readonly epoch: number;
}

/** A client wants into, or back into, a session. Answered by `attached` or `closed`. */
export interface Attach {
  type: "attach";
  shard: string;
  epoch: number;
  attach: number;
  account: string;
  name: string;
  /** The ticket's `data` claim. */
  data: Plain;
  /** The session to resume; absent for a join. */
  session?: number;
  /** 8 random bytes of the client instance. */
  stream: Uint8Array;
  attempt: number;
  firstUnacked: number;
  lastReceived: number;
  timeline?: number;
  /**
   * Since version 4: the timeline that its connection was welcomed on last, where that is another one. Whether the
   * client has read that welcome is not known; it reads it before the answer to this.
   */
  welcomed?: number;
  /** The schema hash the client was built with. */
  schema?: Uint8Array;
  /** The packed join struct. */
  params?: Uint8Array;
}

/** Follow public topics without a session. Answered by `watching` or `closed`. */
export interface Watch {
  type: "watch";
  shard: string;
  epoch: number;
  attach: number;
  /** A channel's name or `cell/x,y(,z)`. */
  topic: string;
  /** True when the watcher showed a ticket: topics that are not public are allowed too. */
  authorized: boolean;
}

/** The client's connection is gone; the session stays for its grace period. Ends a watch, too. */
export interface Detach {
  type: "detach";
  shard: string;
  epoch: number;
  attach: number;
}

/** The player leaves; answered by `closed` with `left`. */
export interface Leave {
  type: "leave";
  shard: string;
  epoch: number;
  attach: number;
}

export interface Upstream {
  type: "upstream";
  shard: string;
  epoch: number;
  /** See upstream.ts. */
  batch: Uint8Array;
  /** Which entries of the batch are traced; see trace-marks.ts. Since version 2. */
  trace?: Uint8Array;
}

export interface Attached {
  type: "attached";
  shard: string;
  epoch: number;
  attach: number;
  session: number;
  account: string;
  name: string;
  attempt: number;
  timeline: number;
  tick: number;
  tickRate: number;
  schema: Uint8Array;
  /** Present when the attach named no schema. */
  definition?: DefinitionData;
  appliedSeq: number;
  outSeq: number;
  lastInput: number;
  graceTicks: number;
}

export interface Watching {
  type: "watching";
  shard: string;
  epoch: number;
  attach: number;
  definition: DefinitionData;
}

/** The attachment is over (or was never made). */
export interface Closed {
  type: "closed";
  shard: string;
  epoch: number;
  attach: number;
  code: CloseCode;
  reason: string;
}

/** The world asks the client to leave and join another world. */
export interface Transfer {
  type: "transfer";
  shard: string;
  epoch: number;
  attach: number;
  world: string;
}

/** A line for people, to every client of the shard (docs/protocol.md, section 3). */
export interface Notice {
  type: "notice";
  shard: string;
  epoch: number;
  kind: "dev-error";
  text: string;
}

export interface Downstream {
  type: "downstream";
  shard: string;
  epoch: number;
  /** See downstream.ts. */
  batch: Uint8Array;
  /** How long its tick was due when it was made, in whole ms: what comes then is early for the next. */
  ageMs?: number;
}

/** The shard goes on at a new epoch (module swapped, new owner): attach every client anew. */
export interface ShardReset {
  type: "shard-reset";
  shard: string;
  epoch: number;
}

/**
 * The shard has made its last tick here for now, for another gameserver is about to go on with it: proxies keep what
 * comes for it until they hear of a new owner or of `shard-unsealed`. What follows is still of this epoch. Since version 4.
 */
export interface ShardSealed {
  type: "shard-sealed";
  shard: string;
  epoch: number;
  /** The node id of who is to have it. */
  to: string;
}

/** It goes on here after all: nothing has happened. Since version 4. */
export interface ShardUnsealed {
  type: "shard-unsealed";
  shard: string;
  epoch: number;
}

/**
 * This gameserver has become the owner of a shard that moved, over the channel of the node: the fast path of what the
 * control plane's watch says as well. Since version 4.
 */
export interface Placed {
  type: "placed";
  world: string;
  shard: string;
  epoch: number;
}

/** Follow a shard, from the start or from where an earlier link ended. Answered by `replica-copy` or `replica-close`. */
export interface ReplicaOpen {
  type: "replica-open";
  shard: string;
  epoch: number;
  /** Of the record that allows it: the migration's, or the mirror's. */
  id: string;
  /** Of the node that asks, as its record names it. */
  boot: string;
  /** The copy that is here in part or whole, to be gone on with; absent: none. */
  copy?: number;
  /** Bytes of it that are here, from its start. */
  bytes?: number;
  /** The tick that the replica is at, once the copy was whole. */
  tick?: number;
}

/** What the replica has: bytes of the copy, and the tick that it is at (0 before the copy is whole). */
export interface ReplicaAck {
  type: "replica-ack";
  shard: string;
  epoch: number;
  copy: number;
  bytes: number;
  tick: number;
}

/** The target of a migration could take over: its module runs, its disk has a copy. The owner seals when it is caught up. */
export interface ReplicaReady {
  type: "replica-ready";
  shard: string;
  epoch: number;
  copy: number;
}

/** The follower is the owner now, at `owner`; the transaction has committed. */
export interface ReplicaDone {
  type: "replica-done";
  shard: string;
  epoch: number;
  /** Its epoch. */
  owner: number;
}

/** Either side ends it. */
export interface ReplicaClose {
  type: "replica-close";
  shard: string;
  epoch: number;
  /** Of the `replica-open` whose stream it ends: one of before that crosses a new `replica-open` ends nothing. */
  id: string;
  code: ReplicaCloseCode;
  /** For people. */
  reason: string;
}

export type ReplicaCloseCode =
  /** There is no such migration or mirror, or it names another node or boot. */
  | "unknown-ticket"
  /** It is over: aborted, or somebody else's by now. */
  | "ended"
  /** The shard is not owned here, or at another epoch. */
  | "wrong-epoch"
  /** Another link serves the same ticket: the older one is closed with this. */
  | "superseded"
  /** A piece or delta was damaged, or not the next one. */
  | "bad-data"
  /** The follower came to another state. */
  | "hash-differs"
  /** The module of the follower cannot run this state. */
  | "wrong-module"
  /** The follower does not keep up, or a bound was reached. */
  | "too-slow"
  | "failed";

/** A copy of the state after `tick` begins, or goes on at `offset`. Its pieces follow, then deltas from `tick` on. */
export interface ReplicaCopy {
  type: "replica-copy";
  shard: string;
  epoch: number;
  /** Numbers copies of this owner: another number is another state. */
  copy: number;
  tick: number;
  /** Length of the state; 0: it is not known yet, the last piece says so. */
  bytes: number;
  /** Where its pieces go on; they come once this was answered by `replica-ack`. */
  offset: number;
  timeline: number;
  tickRate: number;
  /** The definition that the state is written under. */
  definition: DefinitionData;
}

export interface ReplicaPiece {
  type: "replica-piece";
  shard: string;
  epoch: number;
  copy: number;
  offset: number;
  data: Uint8Array;
  /** CRC-32 of `data`, as in zlib. */
  crc: number;
  /** It is the last one. */
  last: boolean;
}

/** What one tick changed. Sent once the copy was acknowledged whole. */
export interface ReplicaDelta {
  type: "replica-delta";
  shard: string;
  epoch: number;
  /** The tick that it follows: one that is left out changed nothing. */
  previous: number;
  tick: number;
  data: Uint8Array;
  /** CRC-32 of `data`, as in zlib. */
  crc: number;
}

/** The owner of a mirrored shard is there, and has nothing new. Answered by `replica-ack`. */
export interface ReplicaPulse {
  type: "replica-pulse";
  shard: string;
  epoch: number;
  copy: number;
}

/** The shard stands still after `tick`, until the migration is decided. */
export interface ReplicaSealed {
  type: "replica-sealed";
  shard: string;
  epoch: number;
  tick: number;
  /** Of the state after `tick`: 16 bytes. */
  hash: Uint8Array;
  /** Of its head, entities, keys, sessions, timers and requests, 8 bytes each: to say where two states differ. */
  sections?: Uint8Array;
  /** Ms until the next tick would be due, from the sending; 0 when it was due already. */
  dueMs: number;
}

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
