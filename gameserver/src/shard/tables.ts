import type { Plain } from "@atlasnet/world";
import type { UndoLog } from "./undo-log.ts";

/**
 * A keyed part of the shard's state (key-value pairs, timers, requests) that can be taken back and
 * knows what the tick touched. Values are replaced, never changed in place.
 */
export class Table<K, V> {
  private readonly entries = new Map<K, V>();
  private readonly undo: UndoLog;
  private readonly what: string;
  private readonly most: number;
  /** Keys written or deleted in this tick. */
  readonly touched = new Set<K>();

  constructor(undo: UndoLog, what: string, most: number) {
    this.undo = undo;
    this.what = what;
    this.most = most;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    return this.entries.get(key);
  }

  keys(): Iterable<K> {
    return [...this.entries.keys()];
  }

  values(): Iterable<V> {
    return this.entries.values();
  }

  /** @throws RangeError when the table is full. */
  set(key: K, value: V): void {
    const before = this.entries.get(key);
    if (before === undefined && this.entries.size >= this.most)
      throw new RangeError(`the world has ${this.most} ${this.what}, the most it may have`);
    this.note(key, before);
    this.entries.set(key, value);
  }

  delete(key: K): boolean {
    const before = this.entries.get(key);
    if (before === undefined) return false;
    this.note(key, before);
    return this.entries.delete(key);
  }

  /** Writes without undo, bounds or note. */
  load(key: K, value: V | undefined): void {
    if (value === undefined) this.entries.delete(key);
    else this.entries.set(key, value);
  }

  /** As `load`, and noted among what was touched: a follower learns what it took in. */
  follow(key: K, value: V | undefined): void {
    this.touched.add(key);
    this.load(key, value);
  }

  private note(key: K, before: V | undefined): void {
    this.undo.push(() => this.load(key, before));
    this.touched.add(key);
  }
}

export interface TimerState {
  readonly id: number;
  /** The tick that calls it. */
  readonly due: number;
  readonly name: string;
  readonly data: Plain;
}

export interface RequestState {
  readonly id: number;
  readonly service: string;
  readonly payload: Plain;
}

/** Most key-value pairs, timers, and unanswered requests of one shard. */
export const MAX_KEYS = 100_000;
export const MAX_TIMERS = 100_000;
export const MAX_REQUESTS = 1_024;
/** Longest key, and name of a timer or a service. */
export const MAX_KEY_BYTES = 256;
/** Farthest timer: far beyond the life of a world, and its tick stays an exact number. */
export const MAX_TIMER_TICKS = 2 ** 40;
