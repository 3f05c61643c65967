import type { CompiledDefinition, Plain } from "@atlasnet/world";
import { EntityTable } from "./entity-table.ts";
import { WorldRandomState } from "./random.ts";
import { SessionTable } from "./session-table.ts";
import {
  MAX_KEYS,
  MAX_REQUESTS,
  MAX_TIMERS,
  type RequestState,
  Table,
  type TimerState,
} from "./tables.ts";
import { UndoLog } from "./undo-log.ts";

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
  nextTimerId = 1;
  nextRequestId = 1;
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
    this.undo.savepoint();
    const random = this.random.save();
    const effects = this.effects.length;
    const timer = this.nextTimerId;
    const request = this.nextRequestId;
    this.undo.push(() => {
      this.random.load(random);
      this.effects.length = effects;
      this.nextTimerId = timer;
      this.nextRequestId = request;
    });
  }

  /** Takes back what the handler did; `interrupted` when it may have been cut off anywhere. */
  rollback(interrupted: boolean): void {
    this.undo.rollback();
    if (interrupted) this.entities.rebuild();
  }

  addTimer(ticks: number, name: string, data: Plain): number {
    if (!Number.isInteger(ticks) || ticks < 1)
      throw new RangeError(`after(${ticks}): a whole number of ticks, at least 1`);
    const id = this.nextTimerId++;
    const due = this.tick + ticks;
    this.timers.set(id, { id, due, name, data });
    this.noTimerBefore = Math.min(this.noTimerBefore, due);
    return id;
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
    const id = this.nextRequestId++;
    this.requests.set(id, { id, service, payload });
    return id;
  }

  clearChanges(): void {
    this.entities.clearChanges();
    this.sessions.clearChanges();
    this.kv.touched.clear();
    this.timers.touched.clear();
    this.requests.touched.clear();
    this.effects.length = 0;
    this.undo.savepoint();
  }
}

export interface OutboxLimits {
  /** Most unacknowledged messages to one client. */
  messages: number;
  /** Most bytes of them. */
  bytes: number;
}
