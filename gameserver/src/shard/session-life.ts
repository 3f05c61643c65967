import type { CloseCode, LeaveReason } from "@atlasnet/world";
import type { AttachmentTable } from "./attachment-table.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import type { SessionState } from "./session-state.ts";
import type { ShardOptions } from "./shard-options.ts";
import type { Store } from "./store.ts";

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

  /** Ends the sessions whose clients stayed away too long. */
  endOverdue(): void {
    for (const session of [...this.store.sessions.all()])
      if (!session.connected && session.graceEnd <= this.store.tick)
        this.end(session, "grace-expired", "session-lost", "the grace period is over");
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
