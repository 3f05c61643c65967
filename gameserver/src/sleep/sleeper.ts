import type { SleptState } from "./slept-state.ts";

/** Shards that are falling asleep at once; others do so a little later. */
export const MAX_FALLING = 8;
/** Shards that are waking at once; others wait their turn, in the order in which they were wanted. */
export const MAX_WAKING = 8;

/** What a Sleeper is told of a shard. A shard that it does not know is awake. */
export type SleeperEvent =
  /** Nobody has been there for as long as its world says. */
  | { readonly type: "quiet"; readonly shard: string }
  /** It sleeps: answers `fall`. */
  | { readonly type: "slept"; readonly shard: string; readonly slept: SleptState }
  /** It went on: answers `fall`. */
  | { readonly type: "stayed"; readonly shard: string }
  /** Somebody needs it. */
  | { readonly type: "wanted"; readonly shard: string }
  /** It runs again: answers `wake`. */
  | { readonly type: "woke"; readonly shard: string }
  /** It could not fall asleep, or wake, and is nowhere: answers `fall` or `wake`. */
  | { readonly type: "failed"; readonly shard: string; readonly problem: string }
  /** It is closed, given away or dead: nothing more is to be done for it. */
  | { readonly type: "ended"; readonly shard: string }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type SleeperEffect =
  /** Have it saved and its memory freed, unless somebody is there; what comes for it waits until that is answered. */
  | { readonly type: "fall"; readonly shard: string }
  /** Open it from what it left. */
  | {
      readonly type: "wake";
      readonly shard: string;
      readonly slept: SleptState;
      readonly elapsedMs: number;
    }
  /** It is awake: what waited for it goes there, in its order. */
  | { readonly type: "deliver"; readonly shard: string }
  /** It sleeps, and nobody wants it: what waited for it is of no account. */
  | { readonly type: "discard"; readonly shard: string }
  /** It is nowhere: whoever gave it to this node is to have it opened again. */
  | { readonly type: "lost"; readonly shard: string; readonly problem: string };

type Entry =
  /** `wanted`: somebody needs it meanwhile. */
  | { readonly phase: "falling"; readonly wanted: boolean }
  | { readonly phase: "asleep"; readonly slept: SleptState; readonly since: number }
  /** It waits for its turn to wake. */
  | { readonly phase: "called"; readonly slept: SleptState; readonly since: number }
  | { readonly phase: "waking" };

/**
 * Which shards of this node sleep, and what is to be done about it. Pure: events and the time in, effects out.
 *
 * 1. A shard that is wanted wakes, whatever it is doing; it is never asked twice, and never two things at once.
 * 2. What comes for a shard waits from the moment it is asked to fall asleep, until it is awake or known not to be.
 * 3. It wakes by itself when its next timer is due.
 */
export class Sleeper {
  private readonly entries = new Map<string, Entry>();
  /** When those wake that have a timer, on the clock of `handle`. */
  private readonly dues = new Map<string, number>();
  /** In the order in which they were wanted. */
  private readonly called = new Set<string>();
  private falling = 0;
  private waking = 0;
  private earliest = Number.POSITIVE_INFINITY;
  private effects: SleeperEffect[] = [];

  /** How many sleep, those included that wait for their turn to wake. */
  get asleep(): number {
    return this.entries.size - this.falling - this.waking;
  }

  /** When `time` has to be told next, in ms; Infinity when nothing waits for it. */
  get nextAt(): number {
    return this.earliest;
  }

  /** It takes what is sent to it. */
  isAwake(shard: string): boolean {
    return !this.entries.has(shard);
  }

  /** As what it sleeps; undefined: it does not, or somebody has asked for it. */
  stateOf(shard: string): SleptState | undefined {
    const entry = this.entries.get(shard);
    return entry?.phase === "asleep" ? entry.slept : undefined;
  }

  /** Those that sleep, or wait for their turn to wake. */
  *names(): Generator<string> {
    for (const [shard, { phase }] of this.entries)
      if (phase === "asleep" || phase === "called") yield shard;
  }

  /** `now` in ms, on any clock that does not go back. */
  handle(event: SleeperEvent, now: number): readonly SleeperEffect[] {
    this.effects = [];
    if (event.type === "time") this.ring(now);
    else this.take(event, now);
    this.fill(now);
    return this.effects;
  }

  private take(event: Exclude<SleeperEvent, { type: "time" }>, now: number): void {
    const { shard } = event;
    const entry = this.entries.get(shard);
    switch (event.type) {
      case "quiet":
        if (entry !== undefined || this.falling >= MAX_FALLING) return;
        this.put(shard, { phase: "falling", wanted: false });
        this.effects.push({ type: "fall", shard });
        return;
      case "slept":
        if (entry?.phase !== "falling") return;
        this.sleep(shard, event.slept, now);
        if (entry.wanted) this.call(shard);
        else this.effects.push({ type: "discard", shard });
        return;
      case "stayed":
        if (entry?.phase === "falling") this.isUp(shard);
        return;
      case "wanted":
        if (entry?.phase === "falling") this.put(shard, { phase: "falling", wanted: true });
        else if (entry?.phase === "asleep") this.call(shard);
        return;
      case "woke":
        if (entry?.phase === "waking") this.isUp(shard);
        return;
      case "failed":
        if (entry?.phase !== "falling" && entry?.phase !== "waking") return;
        this.remove(shard);
        this.effects.push({ type: "lost", shard, problem: event.problem });
        return;
      case "ended":
        this.remove(shard);
        return;
    }
  }

  private sleep(shard: string, slept: SleptState, now: number): void {
    this.put(shard, { phase: "asleep", slept, since: now });
    if (slept.wakeInMs === undefined) return;
    const due = now + slept.wakeInMs;
    this.dues.set(shard, due);
    this.earliest = Math.min(this.earliest, due);
  }

  private ring(now: number): void {
    for (const [shard, due] of this.dues) if (due <= now) this.call(shard);
  }

  private call(shard: string): void {
    const entry = this.entries.get(shard);
    if (entry?.phase !== "asleep") return;
    this.put(shard, { ...entry, phase: "called" });
    this.called.add(shard);
    this.forgetDue(shard);
  }

  /** Begins what may begin. */
  private fill(now: number): void {
    for (const shard of this.called) {
      if (this.waking >= MAX_WAKING) return;
      this.called.delete(shard);
      const entry = this.entries.get(shard);
      if (entry?.phase !== "called") continue;
      const { slept, since } = entry;
      this.put(shard, { phase: "waking" });
      this.effects.push({ type: "wake", shard, slept, elapsedMs: Math.max(0, now - since) });
    }
  }

  private isUp(shard: string): void {
    this.remove(shard);
    this.effects.push({ type: "deliver", shard });
  }

  private put(shard: string, entry: Entry): void {
    this.count(this.entries.get(shard), -1);
    this.entries.set(shard, entry);
    this.count(entry, 1);
  }

  private remove(shard: string): void {
    this.count(this.entries.get(shard), -1);
    this.entries.delete(shard);
    this.called.delete(shard);
    this.forgetDue(shard);
  }

  private count(entry: Entry | undefined, by: number): void {
    if (entry?.phase === "falling") this.falling += by;
    else if (entry?.phase === "waking") this.waking += by;
  }

  private forgetDue(shard: string): void {
    const due = this.dues.get(shard);
    this.dues.delete(shard);
    if (due !== this.earliest) return;
    this.earliest = Number.POSITIVE_INFINITY;
    for (const other of this.dues.values()) this.earliest = Math.min(this.earliest, other);
  }
}
