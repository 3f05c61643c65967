import type { CloseCode, DefinitionData, Plain } from "@atlasnet/world";
import type { GroupMessage } from "./group-messages.ts";
import type { ReplicaMessage } from "./replica-messages.ts";

/**
 * Every message that travels on links, as a union on `type`. Those between proxies and gameservers are here, the
 * others in files of their own. Bounds, the CBOR form and the protocol version that brought a field are in link-codec.ts. `attach` is a number the proxy gives an
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

/** The channel of messages about a shard. */
export function shardChannel(shard: string): string {
  return `shard:${shard}`;
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
