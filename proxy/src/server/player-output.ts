import { encodeUpdates } from "@atlasnet/core";
import type { ClientConnection, SentUpdates } from "../gateway/client-connection.ts";
import type { Attachment } from "../session/attachment.ts";
import type { FeedOutput, FeedUpdates } from "../session/client-feed.ts";
import { frame } from "../session/framing.ts";

export interface PlayerOutputDependencies {
  /** Hears what the shard acknowledged. */
  attachment: Pick<Attachment, "applied">;
  player: Pick<FeedOutput, "requestResync" | "overflowed">;
}

/**
 * What goes to one player's client: the frames and updates of its shard's feed, and single items in their place among
 * them. From an attach to its welcome all of it is held back; what is held counts as backlog, and so is bounded.
 */
export class PlayerOutput implements FeedOutput, FeedUpdates {
  /** Set where the connection has an unreliable path. */
  readonly updates: FeedUpdates | undefined;
  readonly maxBytes: number;
  private readonly connection: ClientConnection;
  private readonly dependencies: PlayerOutputDependencies;
  /** Frames that wait for the welcome; undefined when frames may go out. */
  private held: Uint8Array[] | undefined;
  private heldBytes = 0;

  constructor(connection: ClientConnection, dependencies: PlayerOutputDependencies) {
    const { datagrams } = connection;
    this.connection = connection;
    this.dependencies = dependencies;
    this.updates = datagrams && this;
    this.maxBytes = datagrams?.maxUpdatesBytes ?? 0;
  }

  get framing(): ClientConnection["framing"] {
    return this.connection.framing;
  }

  get backlogBytes(): number {
    return this.connection.backlogBytes + this.heldBytes;
  }

  sendFrames(bytes: Uint8Array): void {
    if (this.held === undefined) return this.connection.sendFrames(bytes);
    this.held.push(new Uint8Array(bytes));
    this.heldBytes += bytes.length;
  }

  sendSections(): void {}

  /** Updates that wait for the welcome go in frames, as all that is held. */
  send(packed: Uint8Array, sent: SentUpdates): void {
    if (this.held === undefined) this.connection.datagrams?.sendUpdates(packed, sent);
    else this.item(encodeUpdates(packed));
  }

  /** Sends an item of the attachment, after its welcome. */
  item(item: Uint8Array): void {
    this.sendFrames(frame(this.framing, item));
  }

  applied(seq: number): void {
    this.dependencies.attachment.applied(seq);
  }

  requestResync(): void {
    this.dependencies.player.requestResync();
  }

  overflowed(): void {
    this.dependencies.player.overflowed();
  }

  /** An attach begins: what comes from here on waits for its welcome. */
  hold(): void {
    this.held = [];
  }

  /** The welcome went out. */
  release(): void {
    const frames = this.held ?? [];
    this.drop();
    for (const frame of frames) this.connection.sendFrames(frame);
  }

  /** The attachment is over: what was held for its welcome goes nowhere. */
  drop(): void {
    this.held = undefined;
    this.heldBytes = 0;
  }
}
