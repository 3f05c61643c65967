import type { Arrivals } from "./arrivals.ts";
import type { AttachmentTable } from "./attachment-table.ts";
import type { Control, EventQueue, Queued } from "./event-queue.ts";
import { type Guard, MAX_STALLS } from "./guarded.ts";
import type { Handlers } from "./handlers.ts";
import type { Replies } from "./replies.ts";
import { isWaiting, type SessionLife } from "./session-life.ts";
import type { SessionState } from "./session-state.ts";
import type { Store } from "./store.ts";
import type { Upstream } from "./upstream.ts";
import type { WorldEvent } from "./world-module.ts";

const TICK: WorldEvent = { type: "tick" };

export interface TickWorkDependencies {
  store: Store;
  queue: EventQueue;
  handlers: Handlers;
  attachments: AttachmentTable;
  replies: Replies;
  life: SessionLife;
  arrivals: Arrivals;
  upstream: Upstream;
  guard: Guard;
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
  private readonly guard: Guard;
  /** What is being done, for `repair`. */
  private current: Queued | undefined;
  /** The world's own tick is through. */
  private ticked = false;
  /** The event whose handler begins again, for `redo`. */
  private undone: WorldEvent | undefined;
  /** `current` takes its turn once more. */
  private comesAgain = false;

  constructor(dependencies: TickWorkDependencies) {
    this.store = dependencies.store;
    this.queue = dependencies.queue;
    this.handlers = dependencies.handlers;
    this.attachments = dependencies.attachments;
    this.replies = dependencies.replies;
    this.life = dependencies.life;
    this.arrivals = dependencies.arrivals;
    this.upstream = dependencies.upstream;
    this.guard = dependencies.guard;
  }

  /**
   * Does all of a tick under the time limit. True when it was cut off. When the process stood still, no handler is to
   * blame: what was at work begins again, for its message may count as received long since.
   */
  run(): boolean {
    this.handlers.begin();
    this.ticked = false;
    this.undone = undefined;
    let outcome = this.guard(() => this.work());
    for (let stalls = 0; outcome === "stalled" && stalls < MAX_STALLS; stalls++) {
      this.takeBack();
      outcome = this.redo();
      if (outcome !== "done") continue;
      this.repair(true);
      outcome = this.guard(() => this.work());
    }
    if (outcome === "done") return false;
    this.handlers.interrupted();
    this.repair();
    return true;
  }

  /** May be called again in the same tick when it was cut off, after `takeBack`, `redo` and `repair`. */
  private work(): void {
    const { handlers, life, queue } = this;
    life.grantWishes();
    this.fireTimers();
    for (let queued = queue.next(); queued !== undefined; queued = queue.next()) {
      handlers.rest();
      this.current = queued;
      this.process(queued);
      life.grantWishes();
      this.current = undefined;
    }
    // After the events: who comes back in its last tick is in.
    life.endOverdue();
    life.grantWishes();
    if (handlers.hasTick && !this.ticked) handlers.run(TICK);
    this.ticked = true;
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
   * The process stood still: takes back what is not through, for `redo` and `work` to do again. What the limit struck
   * within the shard's own work, so that world code was not told of it (a drop, say), is as after any interruption.
   */
  private takeBack(): void {
    const { current, handlers } = this;
    const { last, progress } = handlers;
    // What `redo` had not begun, or was at, begins again: it was found out before what that is.
    const isToRedo = this.undone !== undefined && (last === undefined || progress !== "through");
    if (!isToRedo) {
      const isWhole = current !== undefined && isUndoneWhole(current, handlers);
      if (isWhole) handlers.forgetNoted();
      if (isWhole && current.kind === "client") this.upstream.takeBack(current);
      this.ticked ||= last === TICK && progress === "through";
      this.undone = isWhole ? undefined : eventToRedo(handlers);
      // Whatever is not a single event finds out what of it is done.
      this.comesAgain = isWhole || (current?.kind !== "client" && current?.kind !== "world");
    }
    handlers.takeBack();
    handlers.rest();
  }

  /** Runs the handler again that was taken back. */
  private redo(): ReturnType<Guard> {
    const { undone } = this;
    if (undone === undefined) return "done";
    return this.guard(() => {
      this.handlers.run(undone);
      this.undone = undefined;
    });
  }

  /**
   * After an interruption: whatever was being done about sessions and attachments is brought to an
   * end without world code, and everything derived is made anew. `resumes`: `work` is about to be called again.
   */
  private repair(resumes = false): void {
    const { arrivals, attachments, current, life, replies } = this;
    const { sessions } = this.store;
    const again = resumes && this.comesAgain;
    if (again && current !== undefined) this.queue.again();
    this.current = undefined;
    sessions.rebuild();
    arrivals.repair();
    life.repair();
    if (current?.kind === "disconnect" && !again)
      for (const number of attachments.numbersOf(current.peer))
        attachments.remove(current.peer, number);
    if (current?.kind === "control") {
      const { peer, message } = current;
      const opens = message.type === "attach" || message.type === "watch";
      if (opens || (message.type === "detach" && !again)) attachments.remove(peer, message.attach);
      if (opens && !again)
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

/** Nothing of it stands: it can be processed once more, from its beginning. */
function isUndoneWhole(current: Queued, { last, progress }: Handlers): boolean {
  if (last === undefined) return true;
  if (current.kind === "client") return last === current && progress !== "through";
  if (current.kind === "world") return last === current.event && progress === "begins";
  // Who comes in, or back, is not in before the handler is through.
  return (last.type === "join" || last.type === "resume") && progress !== "through";
}

/** The event whose handler was taken back and that nothing else would bring again. */
function eventToRedo({ last, progress }: Handlers): WorldEvent | undefined {
  // `work` makes the world's own tick again.
  if (last === undefined || last === TICK || progress === "through") return undefined;
  // A timer that was not fired yet is there again.
  return progress === "begins" && last.type === "timer" ? undefined : last;
}
