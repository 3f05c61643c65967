import {
  RESYNC_MESSAGES,
  readUpstreamEntry,
  type UpstreamEntry,
  UpstreamKind,
} from "@atlasnet/core";
import { ByteReader, DecodeError } from "@atlasnet/world";
import type { Attachment } from "./attachment.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import type { ClientEvent, EventQueue } from "./event-queue.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import type { SessionLife } from "./session-life.ts";
import type { SessionState } from "./session-state.ts";
import type { Store } from "./store.ts";

export interface UpstreamDependencies {
  store: Store;
  queue: EventQueue;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
  life: SessionLife;
}

/** What attached clients send: read when it comes, handled in the next tick. */
export class Upstream {
  private readonly store: Store;
  private readonly queue: EventQueue;
  private readonly handlers: Handlers;
  private readonly attachments: AttachmentTable;
  private readonly replies: Replies;
  private readonly life: SessionLife;
  /** Batches of proxies that were not of their form. */
  malformed = 0;
  /** Entries dropped because the queue was full. */
  dropped = 0;
  /** Inputs and messages that took their turn, since the last `takeApplied`. */
  private applied = 0;

  constructor(dependencies: UpstreamDependencies) {
    this.store = dependencies.store;
    this.queue = dependencies.queue;
    this.handlers = dependencies.handlers;
    this.attachments = dependencies.attachments;
    this.replies = dependencies.replies;
    this.life = dependencies.life;
  }

  /** Queues the entries of a proxy's batch. */
  receive(peer: number, batch: Uint8Array): void {
    const attachments = this.attachments.ofPeer(peer);
    const reader = new ByteReader(batch);
    while (reader.remaining > 0) {
      const entry = readEntry(reader);
      if (entry === undefined) {
        this.malformed += 1;
        return;
      }
      const attachment = attachments?.get(entry.attach);
      // Entries of an attachment that has just ended are late, not wrong.
      if (attachment === undefined) continue;
      // All a watcher may say is that it missed something.
      if (attachment.session === undefined && entry.kind !== UpstreamKind.resync) continue;
      if (this.queue.isFull) {
        this.dropped += 1;
        attachment.resync ||= entry.kind === UpstreamKind.message;
        continue;
      }
      this.enqueue(attachment, entry);
    }
  }

  private enqueue(attachment: Attachment, entry: UpstreamEntry): void {
    const { session } = attachment;
    const { kind, n, index, payload } = entry;
    switch (kind) {
      case UpstreamKind.ack:
        return this.queue.push({ kind: "ack", attachment, n });
      case UpstreamKind.resync:
        return this.queue.push({ kind: "resync", attachment, messages: n === RESYNC_MESSAGES });
      default:
        if (session === undefined) return;
        return this.queue.push({
          kind: "client",
          type: kind === UpstreamKind.input ? "input" : "message",
          session: session.id,
          index,
          payload,
          attachment,
          n,
        });
    }
  }

  /** How many inputs and messages were applied since the last call. */
  takeApplied(): number {
    const { applied } = this;
    this.applied = 0;
    return applied;
  }

  acknowledge(attachment: Attachment, seq: number): void {
    const session = this.sessionOf(attachment);
    if (session !== undefined) this.store.sessions.acknowledge(session, seq);
  }

  /** The client, or its proxy, missed something: full state, and with `messages` those unread. */
  resync(attachment: Attachment, messages: boolean): void {
    if (attachment.session === undefined) {
      attachment.full = true;
      return;
    }
    const session = this.sessionOf(attachment);
    if (session === undefined) return;
    attachment.full = true;
    if (messages) attachment.sentSeq = session.ackedSeq;
  }

  handle(event: ClientEvent): void {
    const { attachment } = event;
    const session = this.sessionOf(attachment);
    if (session === undefined || !takeNumber(session, event)) return;
    this.applied += 1;
    this.store.sessions.changed(session, false);
    const error = this.handlers.handle(event);
    if (!(error instanceof DecodeError)) return;
    this.attachments.remove(attachment.peer, attachment.number);
    this.replies.close(attachment.peer, attachment.number, "bad-message", error.message);
    this.life.drop(session);
  }

  /** The attachment's session, while it is this attachment that holds it. */
  private sessionOf(attachment: Attachment): SessionState | undefined {
    const { session } = attachment;
    return session !== undefined && this.attachments.ofSession(session.id) === attachment
      ? session
      : undefined;
  }
}

/** True for a message that is the next one, or an input newer than all before. */
function takeNumber(session: SessionState, { type, n, attachment }: ClientEvent): boolean {
  if (type === "input") {
    if (n <= session.lastInput) return false;
    session.lastInput = n;
    return true;
  }
  if (n > session.appliedSeq + 1) {
    attachment.resync = true;
    return false;
  }
  attachment.ack = true;
  if (n <= session.appliedSeq) return false;
  session.appliedSeq = n;
  return true;
}

/** The next entry of a batch; undefined when the rest is not of its form. */
function readEntry(reader: ByteReader): UpstreamEntry | undefined {
  try {
    return readUpstreamEntry(reader);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
