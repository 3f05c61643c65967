import { isFullSection, type TopicDatagram } from "@atlasnet/core";

/** A hole may be a datagram that was overtaken: it is asked for after this long. */
export const REORDER_MS = 50;
/** After a failed request, or one that did not help, the next one comes so much later. */
export const RETRY_MS = 1_000;
/** Datagrams that wait behind a hole; with more of them full state is asked for. */
export const MAX_WAITING = 1_024;
/** A server whose clock was set back is believed when its newer run was silent for so long. */
export const SILENT_MS = 3_000;

export type FollowerEffect =
  /** Ask the server for what comes behind `after` of a run; without them for full state. */
  | { type: "fetch"; run?: number; after?: number }
  /** A tick's section, in order; the first of a run is full state. `last` is the datagram that completes it. */
  | { type: "section"; last: TopicDatagram; section: Uint8Array };

/**
 * Brings the datagrams of one topic of one server into order: finds holes, has them filled, puts parts
 * together. Pure: events in, effects out; times are milliseconds of any clock that does not go back.
 *
 * 1. Sections come out in the order of their numbers, each once, and never across a hole.
 * 2. At most one request is under way.
 */
export class TopicFollower {
  private run = 0;
  /** Number of the last datagram taken; undefined before there is full state of the run. */
  private last: number | undefined;
  /** Highest number heard of in the run. */
  private newest = 0;
  private readonly waiting = new Map<number, TopicDatagram>();
  private parts: Uint8Array[] = [];
  private asking = false;
  /** When to ask for what is missing; undefined: nothing is. */
  private askAt: number | undefined;
  private heardAt = Number.NEGATIVE_INFINITY;
  /** Holes noticed. */
  gaps = 0;
  /** Datagrams that came over TCP because they did not come by multicast. */
  filled = 0;
  /** Full states taken. */
  fulls = 0;

  /** Begins: asks for full state. */
  start(now: number): FollowerEffect[] {
    return this.check(now, 0);
  }

  /** A datagram of the group. */
  datagram(datagram: TopicDatagram, now: number): FollowerEffect[] {
    const { run, number, parts } = datagram;
    if (run !== this.run) {
      if (this.isOutdated(run, now)) return [];
      this.begin(run);
    }
    this.heardAt = now;
    this.newest = Math.max(this.newest, number);
    // One without parts is a sign of life: it only tells what must have come.
    if (parts > 0 && (this.last === undefined || number > this.last)) {
      if (this.waiting.size >= MAX_WAITING) this.begin(run);
      this.waiting.set(number, datagram);
    }
    const effects = this.drain();
    return [...effects, ...this.check(now, this.last === undefined ? 0 : REORDER_MS)];
  }

  /** The server's answer, in its order. */
  answer(items: readonly TopicDatagram[], now: number): FollowerEffect[] {
    this.asking = false;
    const effects: FollowerEffect[] = [];
    // What comes along with full state was not missed: it was never waited for.
    const { last } = this;
    for (const item of items) {
      if (this.isOutdated(item.run, now)) continue;
      if (item.parts === 1 && isFullSection(item.section)) effects.push(...this.takeFull(item));
      else if (item.run === this.run && this.last !== undefined && item.number > this.last) {
        if (last !== undefined && this.last === last && !this.waiting.has(item.number))
          this.filled += 1;
        this.waiting.set(item.number, item);
        this.newest = Math.max(this.newest, item.number);
      }
    }
    effects.push(...this.drain());
    return [...effects, ...this.check(now, RETRY_MS)];
  }

  /** The request failed. */
  failed(now: number): void {
    this.asking = false;
    this.check(now, RETRY_MS);
  }

  /** What came out could not be applied: only full state helps. */
  restart(now: number): void {
    this.begin(this.run);
    this.check(now, RETRY_MS);
  }

  /** Asks for what is missing once its time has come; to be called every now and then. */
  sweep(now: number): FollowerEffect[] {
    return this.check(now, RETRY_MS);
  }

  private isOutdated(run: number, now: number): boolean {
    return run < this.run && now - this.heardAt < SILENT_MS;
  }

  private begin(run: number): void {
    if (run !== this.run) this.newest = 0;
    this.run = run;
    this.last = undefined;
    this.parts = [];
    this.waiting.clear();
    this.askAt = undefined;
  }

  /** Plans to ask for what is missing, after `delayMs` if that is news, and asks when it is due. */
  private check(now: number, delayMs: number): FollowerEffect[] {
    if (this.last !== undefined && this.last >= this.newest) {
      this.askAt = undefined;
      return [];
    }
    if (this.asking) return [];
    if (this.askAt === undefined) {
      this.askAt = now + delayMs;
      if (this.last !== undefined) this.gaps += 1;
    }
    if (now < this.askAt) return [];
    this.asking = true;
    this.askAt = undefined;
    return this.last === undefined
      ? [{ type: "fetch" }]
      : [{ type: "fetch", run: this.run, after: this.last }];
  }

  /** Full state: everything up to its number is in it. */
  private takeFull(item: TopicDatagram): FollowerEffect[] {
    if (item.run !== this.run) this.begin(item.run);
    if (this.last !== undefined && item.number < this.last) return [];
    this.last = item.number;
    this.newest = Math.max(this.newest, item.number);
    this.parts = [];
    this.fulls += 1;
    for (const number of [...this.waiting.keys()])
      if (number <= item.number) this.waiting.delete(number);
    return [{ type: "section", last: item, section: item.section }];
  }

  /** Takes what stands next, as long as it is there. */
  private drain(): FollowerEffect[] {
    const effects: FollowerEffect[] = [];
    while (this.last !== undefined) {
      const next = this.waiting.get(this.last + 1);
      if (next === undefined) break;
      this.waiting.delete(next.number);
      this.last = next.number;
      const section = this.assemble(next);
      if (section !== undefined) effects.push({ type: "section", last: next, section });
    }
    return effects;
  }

  /** The section that this part completes. */
  private assemble({ part, parts, section }: TopicDatagram): Uint8Array | undefined {
    if (part !== this.parts.length) this.parts = [];
    if (part === this.parts.length) this.parts.push(section);
    if (this.parts.length < parts) return undefined;
    const whole = joined(this.parts);
    this.parts = [];
    return whole;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
