import type { Clock, Timer } from "@atlasnet/core";

interface Entry {
  readonly at: number;
  expire: (() => void) | undefined;
}

/** Time-outs of one length: a queue and a single timer, however many requests there are. */
export class Deadlines {
  private readonly ms: number;
  private readonly clock: Clock;
  private entries: Entry[] = [];
  /** Entries before it are done with. */
  private first = 0;
  private timer: Timer | undefined;

  constructor({ ms }: { ms: number }, { clock }: { clock: Clock }) {
    this.ms = ms;
    this.clock = clock;
  }

  /** Calls `expire` after the time-out, unless the returned function is called before. */
  add(expire: () => void): () => void {
    const entry: Entry = { at: this.clock.now() + this.ms, expire };
    this.entries.push(entry);
    this.timer ??= this.clock.setTimer(this.ms, () => this.fire());
    return () => {
      entry.expire = undefined;
      this.trim();
    };
  }

  /** Expires everything now. */
  stop(): void {
    const entries = this.entries.splice(0);
    this.first = 0;
    this.timer?.cancel();
    this.timer = undefined;
    for (const entry of entries) entry.expire?.();
  }

  private fire(): void {
    this.timer = undefined;
    const now = this.clock.now();
    for (let entry = this.entries[this.first]; entry !== undefined; ) {
      // Timers may come up to a millisecond early.
      if (entry.expire !== undefined && entry.at > now + 1) break;
      const { expire } = entry;
      entry.expire = undefined;
      this.first += 1;
      expire?.();
      entry = this.entries[this.first];
    }
    this.trim();
    const next = this.entries[this.first];
    if (next !== undefined)
      this.timer ??= this.clock.setTimer(Math.max(0, next.at - now), () => this.fire());
  }

  private trim(): void {
    while (this.first < this.entries.length && this.entries[this.first]?.expire === undefined)
      this.first += 1;
    if (this.first < 1024 && this.first < this.entries.length) return;
    this.entries.splice(0, this.first);
    this.first = 0;
    if (this.entries.length > 0) return;
    this.timer?.cancel();
    this.timer = undefined;
  }
}
