import type { CloseCode, LeaveReason } from "@atlasnet/world";
import type { AttachmentTable } from "./attachment-table.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import type { SessionState } from "./session-state.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { Store } from "./store.ts";
import type { WorldEvent } from "./world-module.ts";

export interface SessionLifeDependencies {
  store: Store;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
}

/** A session that ends, and what its client is told. */
interface Ending {
  session: SessionState;
  code: CloseCode;
  text: string;
}

/**
 * After the shard has moved, clients have so long to attach again before the world is told that they are gone.
 * Their proxies do it at once; one that died along with the source takes longer, and that is a drop.
 */
export const EXPECT_BACK_SECONDS = 2;

/** How sessions lose their client, wait for it, and end. */
export class SessionLife {
  private readonly options: ShardOptions;
  private readonly store: Store;
  private readonly handlers: Handlers;
  private readonly attachments: AttachmentTable;
  private readonly replies: Replies;
  /** The end being made, for `repair`. */
  private ending: Ending | undefined;

  constructor(options: ShardOptions, dependencies: SessionLifeDependencies) {
    this.options = options;
    this.store = dependencies.store;
    this.handlers = dependencies.handlers;
    this.attachments = dependencies.attachments;
    this.replies = dependencies.replies;
  }

  /** From here on the session waits for its client. */
  beginGrace(session: SessionState): void {
    session.connected = false;
    session.graceEnd = this.store.tick + this.options.graceTicks;
    this.store.sessions.changed(session, true);
  }

  /** The shard was restored: no client is there, and the world hears of those that were. */
  loseAll(): WorldEvent[] {
    const drops: WorldEvent[] = [];
    for (const session of this.store.sessions.all()) {
      if (session.connected) drops.push({ type: "drop", session: session.id });
      this.beginGrace(session);
    }
    return drops;
  }

  /** The shard has moved here: the clients that were there are about to attach again. */
  expectAll(): void {
    const { definition, sessions, tick } = this.store;
    const expectTicks = Math.ceil(EXPECT_BACK_SECONDS * definition.data.tickRate);
    for (const session of sessions.all()) {
      session.graceEnd = tick + (session.connected ? expectTicks : this.options.graceTicks);
      sessions.changed(session, true);
    }
  }

  /** Of those that `expectAll` counts on: who has not attached yet. */
  get expectedBack(): number {
    let count = 0;
    for (const session of this.store.sessions.all())
      if (session.connected && session.graceEnd > 0) count += 1;
    return count;
  }

  /** The next tick with something to do for `endOverdue`, Infinity without one. */
  nextDue(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const session of this.store.sessions.all())
      if (isWaiting(session)) due = Math.min(due, session.graceEnd);
    return due;
  }

  /** The session's client is gone; the grace period begins. */
  drop(session: SessionState): void {
    this.beginGrace(session);
    this.handlers.handle({ type: "drop", session: session.id });
  }

  detach(peer: number, number: number): void {
    const session = this.attachments.remove(peer, number)?.session;
    if (session !== undefined) this.drop(session);
  }

  leave(peer: number, number: number): void {
    const session = this.attachments.get(peer, number)?.session;
    if (session !== undefined) this.end(session, "left", "left", "the player left");
  }

  /** Ends the sessions whose clients stayed away too long; who was expected back and is not is dropped. */
  endOverdue(): void {
    for (const session of [...this.store.sessions.all()]) {
      if (!isWaiting(session) || session.graceEnd > this.store.tick) continue;
      if (session.connected) this.drop(session);
      else this.end(session, "grace-expired", "session-lost", "the grace period is over");
    }
  }

  endOverflowed(): void {
    for (const id of [...this.store.sessions.overflowed]) {
      const session = this.store.sessions.sessionById(id);
      if (session === undefined) continue;
      this.end(session, "kicked", "slow-consumer", "too many unacknowledged messages");
    }
  }

  /** Not from within a handler's run: a leave handler may kick others, or the one who leaves. */
  grantWishes(): void {
    const { wishes } = this.handlers;
    while (wishes.length > 0) {
      // It goes when it was granted: an interruption before that leaves it for the next tick.
      const wish = wishes[0];
      const session = wish && this.store.sessions.sessionById(wish.session);
      if (session !== undefined && wish?.type === "kick")
        this.end(session, "kicked", "kicked", wish.reason);
      else if (session !== undefined && wish?.type === "transfer")
        this.transfer(session, wish.world);
      wishes.shift();
    }
  }

  /** Takes a session out as if it had never been, but for what the world made of it. */
  forget(session: SessionState): void {
    const { entities, sessions } = this.store;
    const entity = entities.get(session.entity);
    if (entity !== undefined) entities.despawn(entity);
    for (const owned of entities.ownedBySession(session.id)) entities.setOwner(owned, undefined);
    sessions.remove(session);
  }

  /** After an interruption: brings an end that was begun to an end, without world code. */
  repair(): void {
    const { ending } = this;
    this.ending = undefined;
    if (ending !== undefined) this.finish(ending);
  }

  private end(session: SessionState, reason: LeaveReason, code: CloseCode, text: string): void {
    this.ending = { session, code, text };
    this.handlers.handle({ type: "leave", session: session.id, reason });
    this.finish(this.ending);
    this.ending = undefined;
  }

  private finish({ session, code, text }: Ending): void {
    const attachment = this.attachments.ofSession(session.id);
    this.forget(session);
    if (attachment === undefined) return;
    this.attachments.remove(attachment.peer, attachment.number);
    this.replies.close(attachment.peer, attachment.number, code, text);
  }

  private transfer(session: SessionState, world: string): void {
    const attachment = this.attachments.ofSession(session.id);
    if (attachment !== undefined) this.replies.transfer(attachment.peer, attachment.number, world);
  }
}

/** The session's client is not there: it left, or did not come along yet. */
export function isWaiting({ connected, graceEnd }: SessionState): boolean {
  return !connected || graceEnd > 0;
}
