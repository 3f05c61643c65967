import type { CompiledDefinition, Plain } from "@atlasnet/world";
import { EntityTable } from "./entity-table.ts";
import { copyRandom, type RandomState, WorldRandomState } from "./random.ts";
import { SessionTable } from "./session-table.ts";
import {
  MAX_KEY_BYTES,
  MAX_KEYS,
  MAX_REQUESTS,
  MAX_TIMER_TICKS,
  MAX_TIMERS,
  type RequestState,
  Table,
  type TimerState,
} from "./tables.ts";
import { parity, UndoLog } from "./undo-log.ts";

const utf8 = new TextEncoder();

/** Names are kept in the state: they must come back from it as they went in. @throws RangeError */
export function checkName(what: string, name: unknown): asserts name is string {
  if (
    typeof name !== "string" ||
    /\p{Surrogate}/u.test(name) ||
    utf8.encode(name).length > MAX_KEY_BYTES
  )
    throw new RangeError(`${what} is a text of at most ${MAX_KEY_BYTES} bytes`);
}

/** What the current handler asked of the outside; taken back with it. */
export type Effect =
  | { type: "kick"; session: number; reason: string }
  | { type: "transfer"; session: number; world: string }
  | { type: "log"; message: string; facts: { readonly [key: string]: Plain } };

/**
 * Everything a shard is (design rule 3.1): what is not in here does not survive a restore, and nothing
 * gets in but through the tables, which note every change for the delta and for undo.
 */
export class Store {
  readonly definition: CompiledDefinition;
  readonly undo = new UndoLog();
  readonly sessions: SessionTable;
  readonly entities: EntityTable;
  readonly kv: Table<string, Plain>;
  readonly timers: Table<number, TimerState>;
  readonly requests: Table<number, RequestState>;
  readonly random: WorldRandomState;
  readonly effects: Effect[] = [];
  tick = 0;
  /** The run of history this state is of; 0 before it is known. */
  timeline = 0;
  nextTimerId = 1;
  nextRequestId = 1;
  private logLines = 0;
  /** By parity of the savepoint, as the entries of the undo log. */
  private readonly saved = [emptyNumbers(), emptyNumbers()] as const;
  /** No timer is due before this tick; may be too early, never too late. */
  private noTimerBefore = 0;

  constructor(definition: CompiledDefinition, options: { seed: number; outbox: OutboxLimits }) {
    this.definition = definition;
    this.sessions = new SessionTable(this.undo, options.outbox);
    this.entities = new EntityTable(definition, this.undo, this.sessions);
    this.kv = new Table(this.undo, "keys", MAX_KEYS);
    this.timers = new Table(this.undo, "timers", MAX_TIMERS);
    this.requests = new Table(this.undo, "unanswered requests", MAX_REQUESTS);
    this.random = new WorldRandomState(options.seed);
  }

  /** Starts what can be taken back as one: one handler's work. */
  savepoint(): void {
    // An interruption can strike anywhere: until the log counts on, the savepoint before it holds.
    const next = this.saved[parity(this.undo.mark + 1)];
    copyRandom(this.random, next.random);
    next.effects = this.effects.length;
    next.timer = this.nextTimerId;
    next.request = this.nextRequestId;
    this.undo.savepoint();
  }

  /** Takes back what the handler did; `interrupted` when it may have been cut off anywhere. */
  rollback(interrupted: boolean): void {
    const saved = this.saved[parity(this.undo.mark)];
    copyRandom(saved.random, this.random);
    this.effects.length = Math.min(this.effects.length, saved.effects);
    this.nextTimerId = saved.timer;
    this.nextRequestId = saved.request;
    this.undo.rollback();
    this.savepoint();
    if (interrupted) this.entities.rebuild();
  }

  addTimer(ticks: number, name: string, data: Plain): number {
    if (!Number.isInteger(ticks) || ticks < 1 || ticks > MAX_TIMER_TICKS)
      throw new RangeError(`after(${ticks}): a whole number of ticks, 1 to ${MAX_TIMER_TICKS}`);
    checkName("a timer's name", name);
    const id = this.nextTimerId++;
    const due = this.tick + ticks;
    this.timers.set(id, { id, due, name, data });
    this.noTimerBefore = Math.min(this.noTimerBefore, due);
    return id;
  }

  /** Takes in a timer of the shard that this one follows. */
  followTimer(timer: TimerState): void {
    this.timers.follow(timer.id, timer);
    this.noTimerBefore = Math.min(this.noTimerBefore, timer.due);
  }

  /** The tick of the earliest timer, Infinity without one. */
  nextTimerDue(): number {
    if (this.timers.size === 0) return Number.POSITIVE_INFINITY;
    if (this.noTimerBefore <= this.tick)
      this.noTimerBefore = [...this.timers.values()].reduce((n, t) => Math.min(n, t.due), Infinity);
    return this.noTimerBefore;
  }

  /** Timers due at the current tick, in the order they were due and made. */
  dueTimers(): TimerState[] {
    if (this.nextTimerDue() > this.tick) return [];
    const due = [...this.timers.values()].filter((timer) => timer.due <= this.tick);
    return due.sort((a, b) => a.due - b.due || a.id - b.id);
  }

  addRequest(service: string, payload: Plain): number {
    checkName("a service's name", service);
    const id = this.nextRequestId++;
    this.requests.set(id, { id, service, payload });
    return id;
  }

  /** A line for the server's log; past the bound of a tick they are dropped, which the last one says. */
  log(message: string, facts: { readonly [key: string]: Plain }): void {
    this.logLines += 1;
    if (this.logLines > MAX_LOG_LINES_PER_TICK + 1) return;
    const dropped = this.logLines > MAX_LOG_LINES_PER_TICK;
    const text = `More than ${MAX_LOG_LINES_PER_TICK} log lines in one tick; the rest is dropped.`;
    this.effects.push(
      dropped ? { type: "log", message: text, facts: {} } : { type: "log", message, facts },
    );
  }

  clearChanges(): void {
    this.logLines = 0;
    this.entities.clearChanges();
    this.sessions.clearChanges();
    this.kv.touched.clear();
    this.timers.touched.clear();
    this.requests.touched.clear();
    this.effects.length = 0;
    this.undo.clear();
    this.savepoint();
  }
}

/** What a savepoint keeps of the store itself; the tables keep theirs in the undo log. */
interface SavedNumbers {
  readonly random: RandomState;
  effects: number;
  timer: number;
  request: number;
}

function emptyNumbers(): SavedNumbers {
  return { random: { a: 0, b: 0, c: 0, counter: 0 }, effects: 0, timer: 1, request: 1 };
}

/** Log lines a world may write in one tick. */
const MAX_LOG_LINES_PER_TICK = 100;

export interface OutboxLimits {
  /** Most unacknowledged messages to one client. */
  messages: number;
  /** Most bytes of them. */
  bytes: number;
}
