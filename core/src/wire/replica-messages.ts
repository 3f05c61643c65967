import type { DefinitionData } from "@atlasnet/world";

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
  /** Of the state after `tick`, as in `replica-sealed`; with every so manyth tick. */
  hash?: Uint8Array;
  sections?: Uint8Array;
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
  /** The source keeps this state and follows from here on, if the switch names it as the mirror. */
  keeps?: boolean;
}
