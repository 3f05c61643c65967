import { Worker } from "node:worker_threads";
import type { Clock, Logger, Timer } from "@atlasnet/core";
import { OperatingError } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { SleptState } from "../sleep/slept-state.ts";
import type {
  Attempt,
  FromThread,
  KeptState,
  ReplicaSourceFacts,
  ThreadError,
  ThreadSettings,
  ToThread,
  WorldSettings,
} from "./protocol.ts";
import { Turns } from "./turns.ts";

export interface Opened {
  epoch: number;
  tickRate: number;
  definition: string;
}

interface Pending {
  resolve: (message: FromThread) => void;
  reject: (error: Error) => void;
}

/** A thread as the pool sees it: the shape of Node's `Worker`, so that a simulation can stand in for one. */
export interface WorldWorker {
  postMessage(message: ToThread): void;
  on(event: "message", listener: (message: FromThread) => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  on(event: "exit", listener: (code: number) => void): unknown;
  terminate(): Promise<unknown>;
}

export type StartWorker = (settings: ThreadSettings, name: string) => WorldWorker;

const startWorker: StartWorker = (settings, name) =>
  new Worker(new URL("./world-thread.js", import.meta.url), { workerData: settings, name });

/** How often the pool looks whether its threads still say something. */
const LOOK_INTERVAL_MS = 1_000;

/**
 * After so many looks without a word of a thread (they say something every second), it is frozen: a module whose loading
 * never ends, as nothing bounds it. It is ended then, for it holds up all its worlds. Looks are counted, not time: a
 * process that stood still looks once.
 */
export const MAX_SILENT_LOOKS = 30;

interface Thread {
  readonly index: number;
  readonly worker: WorldWorker;
  readonly shards: Set<string>;
  /** Replicas that were told to go, and who waits for it: "closed" comes once for each. */
  readonly leaving: Map<string, (() => void)[]>;
  /** How often the pool has looked since it said something. */
  silentLooks: number;
}

/** What the pool tells whoever runs it. */
export interface ThreadPoolEvents {
  message(message: FromThread): void;
  /** A thread died with all its shards; they are to be opened again. */
  died(shards: readonly string[], error: Error): void;
}

/**
 * The world threads of a gameserver and which shard runs on which. A shard stays on its thread; a new
 * one goes where the fewest are.
 */
export class ThreadPool {
  private readonly settings: ThreadSettings;
  private readonly events: ThreadPoolEvents;
  private readonly logger: Logger;
  private readonly startWorker: StartWorker;
  private readonly clock: Clock;
  private readonly threads: Thread[] = [];
  private readonly threadOf = new Map<string, Thread>();
  private readonly pending = new Map<string, Pending>();
  /** One request per shard at a time; the next one waits. */
  private readonly turns = new Turns();
  private readonly closing = new Map<string, Promise<KeptState | undefined>>();
  /** Of `threadOf`, those that are replicas. */
  private readonly replicas = new Set<string>();
  private stopping = false;
  private sealed = false;
  private look: Timer | undefined;

  constructor(
    options: { threads: number; settings: ThreadSettings },
    dependencies: {
      events: ThreadPoolEvents;
      logger: Logger;
      clock: Clock;
      /** Default: threads of this process. */
      startWorker?: StartWorker | undefined;
    },
  ) {
    this.settings = options.settings;
    this.events = dependencies.events;
    this.logger = dependencies.logger;
    this.clock = dependencies.clock;
    this.startWorker = dependencies.startWorker ?? startWorker;
    for (let index = 0; index < options.threads; index++) this.threads.push(this.start(index));
    // Where ticks have no limit a debugger may hold a thread for as long as its user likes.
    if (this.settings.tickLimitMs > 0) this.lookLater();
  }

  private lookLater(): void {
    this.look = this.clock.setTimer(LOOK_INTERVAL_MS, () => {
      for (const thread of [...this.threads]) {
        thread.silentLooks += 1;
        if (thread.silentLooks >= MAX_SILENT_LOOKS) this.endFrozen(thread);
      }
      this.lookLater();
    });
  }

  private endFrozen(thread: Thread): void {
    const opening = [...thread.shards].filter(
      (shard) => this.pending.has(shard) || this.replicas.has(shard),
    );
    const doing =
      opening.length === 0 ? "" : ` It was opening, or following: ${opening.join(", ")}.`;
    this.lost(
      thread,
      new OperatingError(
        "thread-frozen",
        `a world thread said nothing for ${(MAX_SILENT_LOOKS * LOOK_INTERVAL_MS) / 1_000} s.${doing}`,
        {
          hint: "A module that never ends loading does this: look for loops outside of its handlers.",
        },
      ),
    );
    void thread.worker.terminate();
  }

  private start(index: number): Thread {
    const worker = this.startWorker(this.settings, `worlds-${index}`);
    const thread: Thread = { index, worker, shards: new Set(), leaving: new Map(), silentLooks: 0 };
    if (this.sealed) worker.postMessage({ type: "seal", sealed: true } satisfies ToThread);
    worker.on("message", (message) => {
      // One that was given up may still say what it had to say: its shards are opened elsewhere by then.
      if (this.threads[thread.index] !== thread) return;
      thread.silentLooks = 0;
      this.receive(thread, message);
    });
    worker.on("error", (error) => {
      this.lost(thread, error instanceof Error ? error : new Error(String(error)));
    });
    // Without an error before it: world code called process.exit.
    worker.on("exit", (code) => {
      this.lost(thread, new Error(`the thread ended with code ${code}`));
    });
    return thread;
  }

  /** Opens a world on the thread with the fewest. @throws OperatingError */
  async open(settings: WorldSettings): Promise<Opened> {
    this.choose(settings.shard);
    try {
      const answer = await this.ask(settings.shard, { type: "open", settings });
      if (answer.type !== "opened") throw new Error(`"${answer.type}" is no answer to "open"`);
      return answer;
    } catch (error) {
      this.forget(settings.shard);
      throw error;
    }
  }

  private choose(shard: string): Thread {
    const [thread] = [...this.threads].sort((a, b) => a.shards.size - b.shards.size);
    if (thread === undefined) throw new Error("the pool has no threads");
    // What is left of a replica that is being dropped is none of who comes in its place.
    this.replicas.delete(shard);
    this.forget(shard);
    thread.shards.add(shard);
    this.threadOf.set(shard, thread);
    return thread;
  }

  /** All that are open, being opened or being closed; no replicas. */
  get shards(): readonly string[] {
    return [...this.threadOf.keys()].filter((shard) => !this.replicas.has(shard));
  }

  /** A replica of what runs elsewhere, on the thread with the fewest; another one of it stays on its thread. */
  follow(message: Extract<ToThread, { type: "replica" }>): void {
    const { shard } = message.settings;
    const thread = this.threadOf.get(shard) ?? this.choose(shard);
    this.replicas.add(shard);
    thread.worker.postMessage(message);
  }

  /** Drops a replica; resolves once nothing of it is left. Another one may be begun at once. */
  async unfollow(shard: string): Promise<void> {
    const thread = this.threadOf.get(shard);
    if (thread === undefined || !this.replicas.has(shard)) return;
    thread.worker.postMessage({ type: "drop-replica", shard });
    await new Promise<void>((resolve) => {
      thread.leaving.set(shard, [...(thread.leaving.get(shard) ?? []), resolve]);
    });
  }

  /** No replica of it is wanted any more; after `unfollow`. */
  endFollowing(shard: string): void {
    if (this.replicas.delete(shard)) this.forget(shard);
  }

  /** A replica becomes a shard that runs; `followed`: see ToThread. @throws OperatingError: nothing is left of it then */
  async promote(
    shard: string,
    ownership: Ownership,
    dueMs: number,
    followed = false,
  ): Promise<Opened> {
    const message = { type: "promote", shard, ownership, dueMs, followed } as const;
    const answer = await this.ask(shard, message);
    if (answer.type !== "opened") throw new Error(`"${answer.type}" is no answer to "promote"`);
    this.replicas.delete(shard);
    return answer;
  }

  /** Whether a changed module loads and fits a running shard, which goes on as it is. @throws OperatingError: it does not */
  async tryModule(shard: string, file: string, generation: number): Promise<void> {
    const answer = await this.ask(shard, { type: "try-module", shard, file, generation });
    if (answer.type !== "fits") throw new Error(`"${answer.type}" is no answer to "try-module"`);
  }

  /** Loads a changed module into a running shard; its new epoch. @throws OperatingError */
  async swap(
    shard: string,
    file: string,
    generation: number,
    ownership?: Ownership,
  ): Promise<number> {
    const answer = await this.ask(shard, {
      type: "swap",
      shard,
      file,
      generation,
      ...(ownership !== undefined && { ownership }),
    });
    if (answer.type !== "swapped") throw new Error(`"${answer.type}" is no answer to "swap"`);
    return answer.epoch;
  }

  /**
   * Stops a shard and writes its last state, unless it was `handedOver` to another node; nothing to do for one that is
   * not open. Whoever asks for it while it is being done gets the same. `keep`: if it was sealed, its thread follows it from
   * there on; what it is then a replica of.
   * @throws OperatingError when that failed.
   */
  close(
    shard: string,
    handedOver = false,
    keep?: ReplicaSourceFacts,
  ): Promise<KeptState | undefined> {
    const closing = this.closing.get(shard) ?? this.closeNow(shard, handedOver, keep);
    this.closing.set(shard, closing);
    return closing;
  }

  private async closeNow(
    shard: string,
    handedOver: boolean,
    keep: ReplicaSourceFacts | undefined,
  ): Promise<KeptState | undefined> {
    let kept: KeptState | undefined;
    try {
      await this.turns.idle(shard);
      if (!this.threadOf.has(shard)) return undefined;
      const message = { type: "close", shard, handedOver, ...(keep && { keep }) } as const;
      const answer = await this.ask(shard, message);
      if (answer.type === "closed") kept = answer.kept;
      return kept;
    } finally {
      if (kept === undefined) this.forget(shard);
      else this.replicas.add(shard);
      this.closing.delete(shard);
    }
  }

  /**
   * Has a shard saved and its memory freed, which is on no thread then; undefined: somebody is there, and it goes on.
   * @throws OperatingError: it is on no thread, and what it was is what its files hold
   */
  async sleep(shard: string): Promise<SleptState | undefined> {
    try {
      const answer = await this.ask(shard, { type: "sleep", shard });
      if (answer.type === "stays-awake") return undefined;
      if (answer.type !== "asleep") throw new Error(`"${answer.type}" is no answer to "sleep"`);
      this.forget(shard);
      return answer.slept;
    } catch (error) {
      this.forget(shard);
      throw error;
    }
  }

  send(shard: string, message: ToThread): void {
    this.threadOf.get(shard)?.worker.postMessage(message);
  }

  /** While sealed, no world ticks, on threads that start meanwhile neither. */
  seal(sealed: boolean): void {
    this.sealed = sealed;
    this.broadcast({ type: "seal", sealed });
  }

  broadcast(message: ToThread): void {
    for (const { worker } of this.threads) worker.postMessage(message);
  }

  /** Ends the threads. Shards still open are not saved. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.look?.cancel();
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private ask(shard: string, message: ToThread): Promise<FromThread> {
    return this.turns.take(shard, async () => {
      const thread = this.threadOf.get(shard);
      if (thread === undefined)
        throw new OperatingError("shard-not-open", `shard ${shard} is not open on any thread`);
      return new Promise<FromThread>((resolve, reject) => {
        this.pending.set(shard, { resolve, reject });
        thread.worker.postMessage(message);
      });
    });
  }

  private receive(thread: Thread, message: FromThread): void {
    if (message.type === "alive") return;
    if (message.type === "closed" && this.left(thread, message.shard)) return;
    // Whoever drives the copy or the replica did not ask for it here.
    if (message.type === "failed" && isOfReplica(message.during)) this.events.message(message);
    else if (
      message.type === "opened" ||
      message.type === "fits" ||
      message.type === "swapped" ||
      message.type === "closed" ||
      message.type === "asleep" ||
      message.type === "stays-awake" ||
      message.type === "failed"
    ) {
      const pending = this.pending.get(message.shard);
      this.pending.delete(message.shard);
      if (pending === undefined) {
        if (message.type === "failed")
          this.logger.error("A world thread reports a failure.", {
            shard: message.shard,
            during: message.during,
            ...message.error,
          });
      } else if (message.type === "failed") pending.reject(errorOf(message.error));
      else pending.resolve(message);
    } else this.events.message(message);
  }

  /** A replica is gone; false: it was none. */
  private left(thread: Thread, shard: string): boolean {
    const [told, ...others] = thread.leaving.get(shard) ?? [];
    if (told === undefined) return false;
    if (others.length === 0) thread.leaving.delete(shard);
    else thread.leaving.set(shard, others);
    told();
    return true;
  }

  private forget(shard: string): void {
    this.threadOf.get(shard)?.shards.delete(shard);
    this.threadOf.delete(shard);
  }

  /** An uncaught fault ends a thread: another takes its place. */
  private lost(thread: Thread, error: Error): void {
    if (this.stopping || this.threads[thread.index] !== thread) return;
    const shards = [...thread.shards];
    const facts = { thread: thread.index, shards, error };
    this.logger.error("A world thread died and is started again.", facts);
    for (const told of [...thread.leaving.values()].flat()) told();
    for (const shard of shards) {
      this.replicas.delete(shard);
      this.forget(shard);
      this.pending.get(shard)?.reject(error);
      this.pending.delete(shard);
    }
    this.threads[thread.index] = this.start(thread.index);
    this.events.died(shards, error);
  }
}

function errorOf(error: ThreadError): OperatingError {
  return new OperatingError(error.code, error.message, {
    ...(error.hint === "" ? {} : { hint: error.hint }),
  });
}

function isOfReplica(during: Attempt): boolean {
  return during === "copy" || during === "seal" || during === "replica";
}
