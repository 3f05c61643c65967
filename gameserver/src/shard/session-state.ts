import type { Plain } from "@atlasnet/world";

/** A reliable message to a client, kept until the client acknowledged it. */
export interface OutboxMessage {
  seq: number;
  index: number;
  payload: Uint8Array;
}

export const NOT_WENT_BACK = Number.MAX_SAFE_INTEGER;

/** One player's presence, part of the shard's state (design section 4). */
export interface SessionState {
  readonly id: number;
  readonly account: string;
  name: string;
  data: Plain;
  /** The client instance whose numbering is in force: 8 bytes. */
  stream: Uint8Array;
  /** The newest hello on that stream that asked for the session by account: older ones come too late. */
  join: number;
  /** The newest (epoch, attempt) that attached; all others are refused. */
  epoch: number;
  attempt: number;
  connected: boolean;
  /**
   * The tick at whose end a session that is not connected ends. Of one that is: 0, or the tick at whose end it
   * loses its client unless that has attached again by then, as the shard has just moved here.
   */
  graceEnd: number;
  appliedSeq: number;
  lastInput: number;
  /** Number of the newest message to the client, and of the newest it acknowledged. */
  outSeq: number;
  ackedSeq: number;
  /**
   * Set while a state that went back is not yet known to the client: messages above this number were
   * numbered anew on a later timeline than the client's. NOT_WENT_BACK otherwise.
   */
  sharedSeq: number;
  /**
   * Set when the state may be of another branch than its client is on, until that attaches: the timeline on which this
   * branch was lived. A client of a later one has numbered its own messages anew since. 0 otherwise.
   */
  branch: number;
  /** Messages ackedSeq + 1 … outSeq. */
  outbox: OutboxMessage[];
  outboxBytes: number;
  /** The entity the player looks out from, 0 for none. */
  entity: number;
  /** Channels subscribed to, by index. */
  channels: Set<number>;
}

export function newSession(
  id: number,
  identity: { account: string; name: string; data: Plain; stream: Uint8Array },
): SessionState {
  return {
    id,
    ...identity,
    join: 0,
    epoch: 0,
    attempt: 0,
    connected: false,
    graceEnd: 0,
    appliedSeq: 0,
    lastInput: 0,
    outSeq: 0,
    ackedSeq: 0,
    sharedSeq: NOT_WENT_BACK,
    branch: 0,
    outbox: [],
    outboxBytes: 0,
    entity: 0,
    channels: new Set(),
  };
}
