import {
  RESYNC_MESSAGES,
  readUpstreamEntry,
  type TraceMark,
  type UpstreamEntry,
  UpstreamKind,
  type Upstream as UpstreamMessage,
} from "@atlasnet/core";
import { ByteReader, DecodeError } from "@atlasnet/world";
import type { Attachment } from "./attachment.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import type { ClientEvent, EventQueue } from "./event-queue.ts";
import type { Handlers } from "./handlers.ts";
import {
  type BatchMarks,
  type MessageOutcome,
  type MessageTraces,
  markOf,
  readMarks,
  type TraceReport,
} from "./message-traces.ts";
import type { Replies } from "./replies.ts";
import type { SessionLife } from "./session-life.ts";
import type { SessionState } from "./session-state.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { Store } from "./store.ts";

export interface UpstreamDependencies {
  store: Store;
  queue: EventQueue;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
  life: SessionLife;
  traces: MessageTraces;
}

/** What attached clients send: read when it comes, handled in the next tick. */
export class Upstream {
  private readonly options: ShardOptions;
  private readonly store: Store;
  private readonly queue: EventQueue;
  private readonly handlers: Handlers;
  private readonly attachments: AttachmentTable;
  private readonly replies: Replies;
  private readonly life: SessionLife;
  private readonly traces: MessageTraces;
  /** Batches of proxies that were not of their form. */
  malformed = 0;
  /** Entries dropped because the queue was full. */
  dropped = 0;
  /** Inputs and messages that took their turn, since the last `takeApplied`. */
  private applied = 0;
  /** The event that takes its turn, its session's number before it, and its trace: for `takeBack`. */
  private taking: ClientEvent | undefined;
  private numberBefore = 0;
  private trace: TraceReport | undefined;

  constructor(options: ShardOptions, dependencies: UpstreamDependencies) {
    this.options = options;
    this.store = dependencies.store;
    this.queue = dependencies.queue;
    this.handlers = dependencies.handlers;
    this.attachments = dependencies.attachments;
    this.replies = dependencies.replies;
    this.life = dependencies.life;
    this.traces = dependencies.traces;
  }

  /** Queues a proxy's batch; of another epoch, nothing of it counts. `receivedAt`: see BatchMarks. */
  receive(peer: number, message: UpstreamMessage, receivedAt: number): void {
    const { batch, trace, epoch } = message;
    const current = epoch === this.options.epoch;
    if (trace === undefined) {
      if (current) this.enqueueAll(peer, batch);
      return;
    }
    const marks = readMarks(trace);
    if (marks === undefined) this.malformed += 1;
    else if (current) this.enqueueAll(peer, batch, { marks, receivedAt });
    else for (const mark of marks) this.traces.refuse(mark, receivedAt, this.store.tick);
  }

  /** Queues the entries of a batch, some of them traced. */
  private enqueueAll(peer: number, batch: Uint8Array, traced?: BatchMarks): void {
    const attachments = this.attachments.ofPeer(peer);
    const reader = new ByteReader(batch);
    while (reader.remaining > 0) {
      const entry = readEntry(reader);
      if (entry === undefined) {
        this.malformed += 1;
        return;
      }
      const mark = traced === undefined ? undefined : markOf(traced.marks, entry);
      const attachment = attachments?.get(entry.attach);
      // Entries of an attachment that has just ended are late, not wrong.
      if (attachment === undefined) {
        this.refused(mark, traced);
        continue;
      }
      // All a watcher may say is that it missed something.
      if (attachment.session === undefined && entry.kind !== UpstreamKind.resync) continue;
      if (this.queue.isFull) {
        this.dropped += 1;
        this.refused(mark, traced, attachment.session?.id);
        if (entry.kind === UpstreamKind.message) attachment.dropped(entry.n);
        continue;
      }
      const event = this.enqueue(attachment, entry);
      if (event !== undefined && mark !== undefined && traced !== undefined)
        this.traces.follow(event, mark, traced.receivedAt);
    }
  }

  private refused(mark: TraceMark | undefined, traced?: BatchMarks, session?: number): void {
    if (mark !== undefined && traced !== undefined)
      this.traces.refuse(mark, traced.receivedAt, this.store.tick, session);
  }

  /** Returns the event that has to take its turn, if it is one. */
  private enqueue(attachment: Attachment, entry: UpstreamEntry): ClientEvent | undefined {
    const { session } = attachment;
    const { kind, n, index, payload } = entry;
    if (kind === UpstreamKind.ack) this.queue.push({ kind: "ack", attachment, n });
    else if (kind === UpstreamKind.resync)
      this.queue.push({ kind: "resync", attachment, messages: n === RESYNC_MESSAGES });
    else if (session !== undefined) {
      const event: ClientEvent = {
        kind: "client",
        type: kind === UpstreamKind.input ? "input" : "message",
        session: session.id,
        index,
        payload,
        attachment,
        n,
      };
      this.queue.push(event);
      return event;
    }
    return undefined;
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
    // One that was taken back has its trace already.
    if (event !== this.taking) this.trace = this.traces.begin(event, this.store.tick);
    const { trace } = this;
    const outcome = this.apply(event);
    if (trace !== undefined) trace.outcome = outcome;
  }

  /** The event takes its turn once more: its number counts as not taken. */
  takeBack(event: ClientEvent): void {
    const session = this.sessionOf(event.attachment);
    if (session === undefined || event !== this.taking) return;
    if (event.type === "input") session.lastInput = this.numberBefore;
    else session.appliedSeq = this.numberBefore;
  }

  /** The world was stopped: nothing takes its turn any more. */
  refuse(event: ClientEvent): void {
    const trace = this.traces.begin(event, this.store.tick);
    if (trace !== undefined) trace.outcome = "refused";
  }

  private apply(event: ClientEvent): MessageOutcome {
    const { attachment } = event;
    const session = this.sessionOf(attachment);
    if (session === undefined) return "refused";
    this.taking = event;
    this.numberBefore = event.type === "input" ? session.lastInput : session.appliedSeq;
    const outcome = takeNumber(session, event);
    if (outcome !== "applied") return outcome;
    this.store.sessions.changed(session, false);
    const error = this.handlers.handle(event);
    this.applied += 1;
    if (error === undefined) return "applied";
    if (!(error instanceof DecodeError)) return "faulted";
    this.attachments.remove(attachment.peer, attachment.number);
    this.replies.close(attachment.peer, attachment.number, "bad-message", error.message);
    this.life.drop(session);
    return "refused";
  }

  /** The attachment's session, while it is this attachment that holds it. */
  private sessionOf(attachment: Attachment): SessionState | undefined {
    const { session } = attachment;
    return session !== undefined && this.attachments.ofSession(session.id) === attachment
      ? session
      : undefined;
  }
}

/** `applied` for a message that is the next one, or an input newer than all before. */
function takeNumber(
  session: SessionState,
  { type, n, attachment }: ClientEvent,
): "applied" | "duplicate" | "gap" {
  if (type === "input") {
    if (n <= session.lastInput) return "duplicate";
    session.lastInput = n;
    return "applied";
  }
  if (n > session.appliedSeq + 1) {
    attachment.dropped(n);
    return "gap";
  }
  attachment.ack = true;
  if (n <= session.appliedSeq) return "duplicate";
  session.appliedSeq = n;
  return "applied";
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
