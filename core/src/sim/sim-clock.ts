import { type Clock, checkTimer, type Timer } from "../ports/clock.ts";

interface Event {
  at: number;
  /** Breaks ties: first set, first called. */
  order: number;
  fn: (() => void) | undefined;
}

/** Events one `advance` or `drive` may take before it is called a loop. */
const MAX_EVENTS = 10_000_000;

export interface SimClockOptions {
  /** Milliseconds since 1970 at its start. Default: the beginning of 2030. */
  wallStart?: number;
  /**
   * What a look at the time takes, in ms; default 0. Above that, two looks differ, as they do on a machine: what was
   * ahead at the first may be past at the second.
   */
  lookMs?: number;
}

/**
 * Virtual time. It stands still until it is advanced, but for what looking at it takes; then timers fire in the order
 * of their time, and of their setting when times are equal. So a run depends on nothing but its inputs.
 */
export class SimClock implements Clock {
  private time = 0;
  private order = 0;
  private cancelled = 0;
  /** Binary heap on (at, order). */
  private heap: Event[] = [];
  private readonly wallStart: number;
  private readonly lookMs: number;

  constructor(options: SimClockOptions = {}) {
    this.wallStart = options.wallStart ?? Date.UTC(2030, 0, 1);
    this.lookMs = options.lookMs ?? 0;
  }

  now(): number {
    this.time += this.lookMs;
    return this.time;
  }

  wallTime(): number {
    return this.wallStart + Math.floor(this.time);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.heap.length - this.cancelled;
  }

  setTimer(ms: number, fn: () => void): Timer {
    checkTimer(ms);
    const event: Event = { at: this.time + ms, order: this.order++, fn };
    this.push(event);
    return {
      cancel: () => {
        if (event.fn === undefined) return;
        event.fn = undefined;
        this.cancelled += 1;
        this.compact();
      },
    };
  }

  /** Goes to the next timer and calls it. False when none is set. */
  step(): boolean {
    for (let event = this.pop(); event !== undefined; event = this.pop()) {
      const { fn } = event;
      if (fn === undefined) {
        this.cancelled -= 1;
        continue;
      }
      event.fn = undefined;
      this.time = Math.max(this.time, event.at);
      fn();
      return true;
    }
    return false;
  }

  /** Moves time on by `ms`, calling what is due. Promises do not get on in between; see `drive`. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (let count = 0; (this.nextAt() ?? Number.POSITIVE_INFINITY) <= end; count++) {
      if (count >= MAX_EVENTS) throw new Error(`more than ${MAX_EVENTS} events in ${ms} ms`);
      this.step();
    }
    this.time = Math.max(this.time, end);
  }

  /**
   * Moves time on until `work` is settled, and gives its result. `settle` lets promises get on
   * between two events (in Node: `settle` of `@atlasnet/core/node`).
   * @throws Error when nothing is left to happen and the work still waits.
   */
  async drive<T>(work: Promise<T>, settle: () => Promise<void>): Promise<T> {
    let done = false;
    const finish = () => {
      done = true;
    };
    work.then(finish, finish);
    for (let count = 0; count < MAX_EVENTS; count++) {
      await settle();
      if (done) return work;
      if (!this.step()) throw new Error("the work waits for something that no timer will bring");
    }
    throw new Error(`the work was not done after ${MAX_EVENTS} events`);
  }

  /** Like `advance`, with promises getting on between the events. */
  async elapse(ms: number, settle: () => Promise<void>): Promise<void> {
    await this.drive(new Promise<void>((resolve) => this.setTimer(ms, resolve)), settle);
  }

  private nextAt(): number | undefined {
    for (let top = this.heap[0]; top !== undefined; top = this.heap[0]) {
      if (top.fn !== undefined) return top.at;
      this.pop();
      this.cancelled -= 1;
    }
    return undefined;
  }

  /** Timers that are set and cancelled all the time (idle timeouts) must not pile up. */
  private compact(): void {
    if (this.cancelled < 64 || this.cancelled * 2 < this.heap.length) return;
    const live = this.heap.filter((event) => event.fn !== undefined);
    this.heap = [];
    this.cancelled = 0;
    for (const event of live) this.push(event);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || before(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const useRight = right !== undefined && before(right, left);
      const child = useRight ? right : left;
      if (before(last, child)) break;
      heap[at] = child;
      at = 2 * at + (useRight ? 2 : 1);
    }
    heap[at] = last;
    return top;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
