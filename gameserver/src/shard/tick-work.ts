import type { Arrivals } from "./arrivals.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import type { Control, EventQueue, Queued } from "./event-queue.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import { isWaiting, type SessionLife } from "./session-life.ts";
import type { SessionState } from "./session-state.ts";
import type { Store } from "./store.ts";
import type { Upstream } from "./upstream.ts";
import type { WorldEvent } from "./world-module.ts";

export interface TickWorkDependencies {
  store: Store;
  queue: EventQueue;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
  life: SessionLife;
  arrivals: Arrivals;
  upstream: Upstream;
}

/**
 * What a tick does, in this order: what world code wished for, timers, events, sessions whose grace is
 * over, the world's own tick, clients that are too slow.
 */
export class TickWork {
  private readonly store: Store;
  private readonly queue: EventQueue;
  private readonly handlers: Handlers;
  private readonly attachments: AttachmentTable;
  private readonly replies: Replies;
  private readonly life: SessionLife;
  private readonly arrivals: Arrivals;
  private readonly upstream: Upstream;
  /** What is being done, for `repair`. */
  private current: Queued | undefined;

  constructor(dependencies: TickWorkDependencies) {
    this.store = dependencies.store;
    this.queue = dependencies.queue;
    this.handlers = dependencies.handlers;
    this.attachments = dependencies.attachments;
    this.replies = dependencies.replies;
    this.life = dependencies.life;
    this.arrivals = dependencies.arrivals;
    this.upstream = dependencies.upstream;
  }

  run(): void {
    const { handlers, life, queue } = this;
    life.grantWishes();
    this.fireTimers();
    for (let queued = queue.next(); queued !== undefined; queued = queue.next()) {
      this.current = queued;
      this.process(queued);
      life.grantWishes();
      this.current = undefined;
    }
    // After the events: who comes back in its last tick is in.
    life.endOverdue();
    life.grantWishes();
    if (handlers.hasTick) handlers.run({ type: "tick" });
    life.grantWishes();
    life.endOverflowed();
    life.grantWishes();
  }

  private fireTimers(): void {
    for (const timer of this.store.dueTimers()) {
      // An earlier timer of this tick may have cancelled it.
      if (!this.store.timers.delete(timer.id)) continue;
      this.handlers.run({ type: "timer", name: timer.name, data: timer.data });
      this.life.grantWishes();
    }
  }

  private process(queued: Queued): void {
    switch (queued.kind) {
      case "client":
        return this.upstream.handle(queued);
      case "ack":
        return this.upstream.acknowledge(queued.attachment, queued.n);
      case "resync":
        return this.upstream.resync(queued.attachment, queued.messages);
      case "control":
        return this.control(queued.peer, queued.message);
      case "disconnect":
        for (const number of this.attachments.numbersOf(queued.peer))
          this.life.detach(queued.peer, number);
        return;
      case "world":
        return this.processWorld(queued.event);
    }
  }

  private control(peer: number, message: Control): void {
    switch (message.type) {
      case "attach":
        return this.arrivals.attach(peer, message);
      case "watch":
        return this.arrivals.watch(peer, message);
      case "detach":
        return this.life.detach(peer, message.attach);
      case "leave":
        return this.life.leave(peer, message.attach);
    }
  }

  private processWorld(event: WorldEvent): void {
    if (event.type === "response" && !this.store.requests.delete(event.response.id)) return;
    if (event.type === "drop") {
      const session = this.store.sessions.sessionById(event.session);
      if (session === undefined || session.connected) return;
    }
    this.handlers.handle(event);
  }

  /**
   * After an interruption: whatever was being done about sessions and attachments is brought to an
   * end without world code, and everything derived is made anew.
   */
  repair(): void {
    const { attachments, current, life, replies } = this;
    const { sessions } = this.store;
    this.current = undefined;
    sessions.rebuild();
    this.arrivals.repair();
    life.repair();
    if (current?.kind === "disconnect")
      for (const number of attachments.numbersOf(current.peer))
        attachments.remove(current.peer, number);
    if (current?.kind === "control") {
      const { peer, message } = current;
      const opens = message.type === "attach" || message.type === "watch";
      if (message.type === "detach" || opens) attachments.remove(peer, message.attach);
      if (opens)
        replies.close(peer, message.attach, "internal-error", "the world did not answer in time");
    }
    const isAlive = (session: SessionState) => sessions.sessionById(session.id) === session;
    for (const { peer, number } of attachments.rebuild(isAlive))
      replies.close(peer, number, "internal-error", "the session ended");
    for (const session of sessions.all())
      if (!isWaiting(session) && attachments.ofSession(session.id) === undefined)
        life.beginGrace(session);
  }

  /** Instead of `run`, when the world was stopped for good. */
  refuseAll(): void {
    const { queue } = this;
    for (let queued = queue.next(); queued !== undefined; queued = queue.next())
      if (queued.kind === "client") this.upstream.refuse(queued);
      else if (queued.kind === "control" && queued.message.type !== "detach") {
        const { peer, message } = queued;
        this.replies.close(peer, message.attach, "world-failed", "the world was stopped");
      }
  }
}
