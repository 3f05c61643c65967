import type { Clock, PseudoRandom } from "@atlasnet/core";

/** What the memory does to connections; may be changed at any time. */
export interface MemoryFaults {
  /** One way, drawn anew for everything; order is kept within a stream only. */
  minDelayMs: number;
  maxDelayMs: number;
  /** Most bytes one `write` takes. */
  maxWriteBytes: number;
  /** Bytes of a stream under way. */
  windowBytes: number;
  /** Longest piece that a stream hands on. */
  pieceBytes: number;
  /** 0 to 1. */
  datagramLoss: number;
}

export const NO_FAULTS: MemoryFaults = {
  minDelayMs: 0,
  maxDelayMs: 0,
  maxWriteBytes: Number.POSITIVE_INFINITY,
  windowBytes: 256 * 1024,
  pieceBytes: 64 * 1024,
  datagramLoss: 0,
};

/** The way between two ends. */
export class MemoryLine {
  readonly faults: MemoryFaults;
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly lanes = new Map<object, Map<string, (() => void)[]>>();
  private readonly due = new Map<object, Map<string, number>>();
  private held: (() => void)[] = [];
  private isCut = false;
  private lane = 0;

  constructor(faults: MemoryFaults, dependencies: { clock: Clock; random: PseudoRandom }) {
    this.faults = faults;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
  }

  nextLane(): number {
    this.lane += 1;
    return this.lane;
  }

  losesDatagram(): boolean {
    return this.faults.datagramLoss > 0 && this.random.float() < this.faults.datagramLoss;
  }

  later(callback: () => void): void {
    this.clock.setTimer(0, callback);
  }

  /** Runs `arrive` after a delay, behind what is before it in its lane. */
  carry(from: object, lane: string, arrive: () => void): void {
    const waiting = entry(
      entry(this.lanes, from, () => new Map()),
      lane,
      () => [],
    );
    const due = entry(this.due, from, () => new Map<string, number>());
    const { minDelayMs, maxDelayMs } = this.faults;
    const now = this.clock.now();
    const delay = minDelayMs + this.random.float() * (maxDelayMs - minDelayMs);
    const at = Math.max(now + delay, due.get(lane) ?? 0);
    due.set(lane, at);
    waiting.push(arrive);
    this.clock.setTimer(at - now, () => {
      // Not its own, but the first of its lane: timers may swap places.
      const first = waiting.shift();
      if (waiting.length === 0) {
        this.lanes.get(from)?.delete(lane);
        due.delete(lane);
      }
      if (first === undefined) return;
      if (this.isCut) this.held.push(first);
      else first();
    });
  }

  /** Nothing arrives any more; when that lasts, both ends give up. */
  cut(idleTimeoutMs: number, giveUp: () => void): void {
    this.isCut = true;
    this.clock.setTimer(idleTimeoutMs, () => {
      if (this.isCut) giveUp();
    });
  }

  heal(): void {
    this.isCut = false;
    const held = this.held;
    this.held = [];
    for (const arrive of held) arrive();
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
