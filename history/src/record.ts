import type { Hash } from "./hash.ts";

/**
 * What happened to one client, in the order in which it acted on it. A history is a list of these; those of several
 * clients may be mixed, as long as each client's own stay in order.
 */
export interface HistoryRecord {
  /** Which client; a name of any kind, the same for all its sessions. */
  readonly client: string;
  /** Milliseconds on a clock that does not go back, the same one for the whole of a client. */
  readonly at: number;
  readonly event: HistoryEvent;
}

/** `hash` is of hash.ts; numbers are those of docs/protocol.md. */
export type HistoryEvent =
  /** The game gave a reliable message to the client. */
  | { readonly type: "queued"; readonly hash: Hash }
  | {
      readonly type: "hello";
      /** 16 digits of base 16. */
      readonly stream: string;
      readonly attempt: number;
      /** It claims a session by its token. */
      readonly resume: boolean;
      readonly firstUnacked: number;
      readonly lastReceived: number;
      /** Null before the first welcome of a stream. */
      readonly timeline: number | null;
    }
  | {
      readonly type: "welcome";
      readonly session: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly timeline: number;
      readonly tick: number;
      readonly appliedSeq: number;
      readonly outSeq: number;
    }
  | { readonly type: "sent"; readonly seq: number; readonly hash: Hash }
  | { readonly type: "acknowledged"; readonly seq: number; readonly tick: number }
  /** The server's `resync`. */
  | { readonly type: "asked"; readonly seq: number }
  /** A reliable message came off the wire; */
  | { readonly type: "received"; readonly seq: number; readonly hash: Hash }
  /** it went to the game. */
  | { readonly type: "delivered"; readonly seq: number; readonly hash: Hash }
  /** The client's ack. */
  | { readonly type: "confirmed"; readonly seq: number; readonly timeline: number }
  /** The client's `resync`. */
  | { readonly type: "resync" }
  | { readonly type: "tick"; readonly tick: number }
  | { readonly type: "disconnected"; readonly reason: string }
  | { readonly type: "dropped"; readonly reason: string }
  | { readonly type: "resumed" }
  | { readonly type: "rolled-back" }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "ended"; readonly code: string; readonly reason: string }
  | ({ readonly type: "account" } & WorldAccount)
  /** What was not recorded for want of room: behind it nothing can be proved. */
  | { readonly type: "hole"; readonly records: number };

/**
 * What the world itself says it has applied of a client's messages, and sent to it, when it made the reliable message
 * that carries this: in a history it stands right behind the `delivered` of that message.
 */
export interface WorldAccount {
  /** Of the world, while it said so. */
  readonly tick: number;
  /** Messages of the client applied so far, the chain of their hashes, and the last one's hash. */
  readonly count: number;
  readonly chain: Hash;
  readonly last: Hash;
  /** Reliable messages sent to the session before this one, and the chain of their hashes. */
  readonly sentCount: number;
  readonly sentChain: Hash;
}

/** Takes records in as they are made. It must not throw. */
export type HistorySink = (record: HistoryRecord) => void;
