import type { SentUpdates } from "../gateway/client-connection.ts";
import type { Framing } from "./framing.ts";
import { Origins } from "./origins.ts";
import { SlotTable } from "./slot-table.ts";

/** A section as a watcher gets it. The bytes are a view into the batch. */
export interface WatchedSection {
  topic: number;
  bytes: Uint8Array;
}

/** Where the changes of topics go that need not arrive. */
export interface FeedUpdates {
  /** Most bytes of packed updates that `send` takes. */
  readonly maxBytes: number;
  /**
   * Sends packed updates; `ShardFeed.updatesLost` is called with `sent` when they did not arrive, never
   * from within this call. The bytes are used again after it.
   */
  send(packed: Uint8Array, sent: SentUpdates): void;
}

/** Where the frames of one client go, and whom the feed tells about it. */
export interface FeedOutput {
  /** `sections`: a watcher that wants sections instead of frames. */
  readonly framing: Framing | "sections";
  /** Bytes written that the operating system has not taken yet. */
  readonly backlogBytes: number;
  /** For a client that has an unreliable path; without it all goes in frames. */
  readonly updates?: FeedUpdates | undefined;
  /** The bytes stay as they are while `backlogBytes` is above 0; else they may change after the call. */
  sendFrames(bytes: Uint8Array): void;
  sendSections(tick: number, sections: readonly WatchedSection[]): void;
  /** The shard has applied the client's reliable messages up to `seq`. */
  applied(seq: number): void;
  /** State was left out; ask the shard for the full state of this client's topics. */
  requestResync(): void;
  /** Reliable messages pile up beyond the bound. */
  overflowed(): void;
}

/** What the feed knows about one attached client. Fields of the current batch are grouped below. */
export class ClientFeed {
  readonly attach: number;
  readonly output: FeedOutput;
  readonly framing: FeedOutput["framing"];
  readonly updates: FeedUpdates | undefined;
  /** With `updates` only. */
  readonly origins: Origins | undefined;
  readonly table = new SlotTable();
  /** State is left out since the socket is backlogged, until a full state was asked for and came. */
  stale = false;
  resyncAsked = false;
  /** Updates were lost that cannot be sent again: full state was asked for and has not come yet. */
  mendAsked = false;
  /** Time dilation the client was told last; 1000 is real time. */
  toldDilation = 1000;

  /** The batch that last held an entry for this client; what follows is from that batch. */
  serial = 0;
  flags = 0;
  slotsStart = 0;
  slotsEnd = 0;
  privateStart = 0;
  privateEnd = 0;
  messagesStart = 0;
  messagesEnd = 0;
  messageCount = 0;
  appliedSeq = 0;
  resyncSeq = 0;

  constructor(attach: number, output: FeedOutput) {
    this.attach = attach;
    this.output = output;
    this.framing = output.framing;
    this.updates = output.updates;
    this.origins = output.updates === undefined ? undefined : new Origins();
  }

  /** Stops telling state when the backlog is above the bound. */
  checkBacklog(stateBacklogBytes: number): void {
    if (this.stale || this.output.backlogBytes <= stateBacklogBytes) return;
    this.stale = true;
    this.resyncAsked = false;
    this.table.freeze();
  }
}
