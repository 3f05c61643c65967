import type { Clock, Disk } from "@atlasnet/core";
import {
  type FromThread,
  REPORT_INTERVAL_MS,
  type ThreadSettings,
  type TickWatch,
  type ToThread,
  WorldThread,
  type WorldWorker,
} from "@atlasnet/gameserver/sim";
import type { Disturbance } from "./disturbance.ts";

export interface SimWorkerDependencies {
  /** Of the gameserver's process. */
  readonly clock: Clock;
  readonly disk: Disk;
  /** May change what the thread is told, and tells: how faults are planted. */
  readonly disturbance?: Disturbance | undefined;
  /** Sees every tick. */
  readonly watch?: TickWatch | undefined;
}

/** Messages that come all the time; nobody changes them once they are sent, so they need not be copied. */
const SHARED: ReadonlySet<string> = new Set([
  ...(["messages", "response", "disconnect", "out", "stats", "delta", "copy-piece"] as const),
  ...(["replica-piece", "replica-delta", "traces"] as const),
]);

type Listeners = {
  message: (message: FromThread) => void;
  error: (error: unknown) => void;
  exit: (code: number) => void;
};

/**
 * A world thread in the thread of the simulation: the real `WorldThread` behind the messages of a worker. They take a
 * moment, keep their order, and are copied where a worker's copies matter.
 */
export class SimWorker implements WorldWorker {
  private readonly deps: SimWorkerDependencies;
  private readonly thread: WorldThread;
  private readonly listeners: Partial<Listeners> = {};
  private over = false;

  constructor(settings: ThreadSettings, dependencies: SimWorkerDependencies) {
    this.deps = dependencies;
    const { clock, disk, watch } = dependencies;
    const isOver = () => this.over;
    this.thread = new WorldThread(settings, (message) => this.told(copied(message)), {
      clock: endingClock(clock, isOver),
      disk: endingDisk(disk, isOver),
      watch,
      unixMs: () => clock.wallTime(),
    });
    this.report();
  }

  postMessage(message: ToThread): void {
    const { disturbance } = this.deps;
    const sent = copied(message);
    this.tell(disturbance?.toThread(sent) ?? sent);
  }

  private tell(message: ToThread): void {
    this.later(message, (sent) => this.thread.handle(sent));
  }

  private told(message: FromThread): void {
    const { disturbance } = this.deps;
    const say = (sent: FromThread) =>
      this.later(sent, (arrived) => this.listeners.message?.(arrived));
    say(disturbance?.fromThread(message, { tell: (more) => this.tell(more), say }) ?? message);
  }

  on<E extends keyof Listeners>(event: E, listener: Listeners[E]): void {
    this.listeners[event] = listener;
  }

  async terminate(): Promise<void> {
    this.over = true;
  }

  /** World code brought the thread down. */
  die(): void {
    if (this.over) return;
    this.over = true;
    this.listeners.error?.(new Error("the simulation ended this thread"));
  }

  private later<M>(message: M, deliver: (message: M) => void): void {
    if (this.over) return;
    this.deps.clock.setTimer(0, () => {
      if (!this.over) deliver(message);
    });
  }

  private report(): void {
    this.deps.clock.setTimer(REPORT_INTERVAL_MS, () => {
      if (this.over) return;
      this.thread.report();
      this.report();
    });
  }
}

function copied<M extends ToThread | FromThread>(message: M): M {
  return SHARED.has(message.type) ? message : structuredClone(message);
}

/** A thread that has ended does nothing any more: none of its timers fires … */
function endingClock(clock: Clock, isOver: () => boolean): Clock {
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    setTimer: (ms, run) =>
      clock.setTimer(ms, () => {
        if (!isOver()) run();
      }),
  };
}

/** … and it writes nothing: what it asks of the disk is never answered. */
function endingDisk(disk: Disk, isOver: () => boolean): Disk {
  return new Proxy(disk, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) =>
        isOver() ? new Promise<never>(() => {}) : Reflect.apply(member, target, given);
    },
  });
}
