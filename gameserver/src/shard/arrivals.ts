import type { Attach, Watch } from "@atlasnet/core";
import { type CloseCode, type CompiledDefinition, DecodeError, sameBytes } from "@atlasnet/world";
import { Attachment } from "./attachment.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import type { Downstream } from "./downstream.ts";
import { isJoinRefused } from "./faults.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import type { SessionLife } from "./session-life.ts";
import type { SessionState } from "./session-state.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { Store } from "./store.ts";
import type { Topics } from "./topics.ts";

export interface ArrivalsDependencies {
  store: Store;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
  life: SessionLife;
  topics: Topics;
  downstream: Downstream;
}

interface Refusal {
  code: CloseCode;
  reason: string;
}

/** How clients come in and come back (design section 4), and how watchers come in. */
export class Arrivals {
  private readonly options: ShardOptions;
  private readonly parts: ArrivalsDependencies;
  /** The session whose `join` is being handled, for `repair`. */
  private joining: SessionState | undefined;

  constructor(options: ShardOptions, dependencies: ArrivalsDependencies) {
    this.options = options;
    this.parts = dependencies;
  }

  attach(peer: number, message: Attach): void {
    const refusal = this.comeIn(peer, message);
    if (refusal !== undefined)
      this.parts.replies.close(peer, message.attach, refusal.code, refusal.reason);
  }

  watch(peer: number, message: Watch): void {
    const { store, attachments, replies, topics } = this.parts;
    const topic = topicByName(store.definition, message);
    if (topic === undefined) {
      const reason = `no topic "${message.topic}" that is public`;
      return replies.close(peer, message.attach, "unknown-topic", reason);
    }
    const attachment = new Attachment(peer, message.attach, undefined);
    attachments.insert(attachment);
    attachment.add(topic, topics);
    const { shard, epoch } = this.options;
    const definition = store.definition.data;
    replies.send(peer, { type: "watching", shard, epoch, attach: message.attach, definition });
  }

  /** After an interruption: who was about to join is not in. */
  repair(): void {
    const { joining } = this;
    this.joining = undefined;
    if (joining !== undefined) this.parts.life.forget(joining);
  }

  /** Attaches a client to its session, a new one if it has none. Returns why it may not come in. */
  private comeIn(peer: number, message: Attach): Refusal | undefined {
    const { store, handlers, attachments, downstream } = this.parts;
    const found = this.sessionFor(message);
    if ("code" in found) return found;
    const { session, isNew } = found;
    this.takeOver(session);
    const sharedSeq = this.resynchronise(session, message);
    session.attempt = message.session === undefined ? session.attempt + 1 : message.attempt;
    if (message.session === undefined) session.join = message.attempt;
    session.epoch = this.options.epoch;
    const wasConnected = session.connected;
    session.connected = true;
    session.graceEnd = 0;
    store.sessions.changed(session, true);
    if (isNew) {
      const refusal = this.join(session, message);
      this.joining = undefined;
      if (refusal !== undefined) return refusal;
    } else if (!wasConnected) handlers.handle({ type: "resume", session: session.id });
    const attachment = new Attachment(peer, message.attach, session);
    attachment.sharedSeq = sharedSeq;
    attachment.sentSeq = session.ackedSeq;
    attachments.insert(attachment);
    downstream.welcome(attachment, message.schema === undefined);
    return undefined;
  }

  /** The session an attach is about. A new one is the one that joins, from its creation on. */
  private sessionFor(message: Attach): { session: SessionState; isNew: boolean } | Refusal {
    const { definition, sessions } = this.parts.store;
    if (message.schema !== undefined && !sameBytes(message.schema, definition.hash))
      return {
        code: "schema-mismatch",
        reason: "the client was built against another definition",
      };
    if (message.session !== undefined) {
      const session = sessions.sessionById(message.session);
      if (session === undefined || session.account !== message.account)
        return { code: "session-lost", reason: "the session has ended" };
      if (isStale(session, message))
        return { code: "stale-attempt", reason: "a newer connection holds the session" };
      return { session, isNew: false };
    }
    const known = sessions.ofAccount(message.account);
    if (known !== undefined && isLate(known, message))
      return { code: "stale-attempt", reason: "the client has come in by a later attempt" };
    if (known !== undefined) return { session: known, isNew: false };
    if (sessions.size >= this.options.maxSessions)
      return {
        code: "world-full",
        reason: `the world has ${sessions.size} players, the most it takes`,
      };
    const session = sessions.create({
      account: message.account,
      name: message.name,
      data: message.data,
      stream: message.stream,
    });
    this.joining = session;
    return { session, isNew: true };
  }

  /** Calls `join`; says why the player may not come in. */
  private join(session: SessionState, message: Attach): Refusal | undefined {
    const { handlers, life } = this.parts;
    const error = handlers.handle({ type: "join", session: session.id, params: message.params });
    if (error === undefined) return undefined;
    life.forget(session);
    if (isJoinRefused(error)) return { code: "join-refused", reason: String(error.message) };
    if (error instanceof DecodeError)
      return { code: "bad-message", reason: `params: ${error.message}` };
    return { code: "internal-error", reason: "the world failed to take the player in" };
  }

  /** A newer connection takes the session: the older one is told. */
  private takeOver(session: SessionState): void {
    const { attachments, replies } = this.parts;
    const older = attachments.ofSession(session.id);
    if (older === undefined) return;
    attachments.remove(older.peer, older.number);
    const reason = "a newer connection took the session over";
    replies.close(older.peer, older.number, "superseded", reason);
  }

  /**
   * Brings both numberings in line with what the client has (design section 4). Returns the newest
   * message whose number means the same to both sides, when the client knows another timeline. One that was welcomed
   * on this timeline may not have read that yet, so it has not shown to have anything of it; it will have, when it
   * reads the answer.
   */
  private resynchronise(session: SessionState, message: Attach): number | undefined {
    const { sessions } = this.parts.store;
    if (sameBytes(message.stream, session.stream)) {
      if (message.timeline !== undefined && message.timeline !== this.options.timeline) {
        if (numbersParted(session, message, this.options.timeline)) session.appliedSeq = 0;
        session.branch = 0;
        const sharedSeq = Math.min(session.sharedSeq, session.outSeq);
        sessions.acknowledge(session, Math.min(message.lastReceived, sharedSeq));
        return message.welcomed === this.options.timeline ? undefined : sharedSeq;
      }
      sessions.knowsTimeline(session);
      sessions.acknowledge(session, message.lastReceived);
      return undefined;
    }
    session.join = 0;
    session.appliedSeq = 0;
    session.lastInput = 0;
    session.outSeq = 0;
    session.ackedSeq = 0;
    session.outbox = [];
    session.outboxBytes = 0;
    sessions.knowsTimeline(session);
    // Last: an interruption before it leaves a stream that the next attach resets again.
    session.stream = message.stream;
    return undefined;
  }
}

/** Only the newest (epoch, attempt) may hold a session; the same one may come again. */
function isStale(session: SessionState, message: Attach): boolean {
  if (message.attempt < session.attempt) return true;
  return message.attempt === session.attempt && !sameBytes(message.stream, session.stream);
}

/**
 * A client without a token counts the hellos of its stream. One may have waited at a proxy that had no link for so
 * long that the client came in elsewhere.
 */
function isLate(session: SessionState, message: Attach): boolean {
  return message.attempt < session.join && sameBytes(message.stream, session.stream);
}

/**
 * What the client keeps to be sent again has numbers that were applied here as other messages: it gave them on a timeline
 * of another branch. From 0 on, all that it keeps gets new numbers, and nothing of it counts as applied.
 */
function numbersParted(session: SessionState, message: Attach, timeline: number): boolean {
  const { welcomed = message.timeline ?? 0, firstUnacked } = message;
  const isElsewhere = session.branch > 0 && welcomed > session.branch && welcomed !== timeline;
  return isElsewhere && firstUnacked <= session.appliedSeq;
}

const CELL_2D = /^cell\/\d{1,10},\d{1,10}$/;
const CELL_3D = /^cell\/\d{1,10},\d{1,10},\d{1,10}$/;

/** The topic to watch; undefined when there is none of the name that this watcher may see. */
function topicByName(
  { data, grid }: CompiledDefinition,
  { topic: name, authorized }: Watch,
): number | undefined {
  const channel = data.channels.findIndex((c) => c.name === name);
  if (channel >= 0) return authorized || data.channels[channel]?.public ? channel : undefined;
  if (grid === undefined || !(authorized || data.publicCells)) return undefined;
  const pattern = grid.space.kind === "grid2d" ? CELL_2D : CELL_3D;
  return pattern.test(name)
    ? grid.topicOfCell(name.slice("cell/".length).split(",").map(Number))
    : undefined;
}
