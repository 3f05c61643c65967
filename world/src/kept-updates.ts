/** Most updates that wait for what comes before them; beyond it full state is asked for. */
export const MAX_KEPT_UPDATES = 1024;
/** Most bytes of sections that wait; beyond it full state is asked for. */
export const MAX_KEPT_BYTES = 65_536;
/** The longest that an update may wait, in ms; then full state is asked for. */
export const MAX_KEPT_MS = 2_000;

/** The section of one topic that came by itself (docs/protocol.md, 11.4). */
export interface TopicUpdate {
  readonly topic: number;
  /** Which state message brought the topic in full, as this section's writer has it. */
  readonly origin: number;
  readonly tick: number;
  readonly section: Uint8Array;
}

interface KeptUpdate extends TopicUpdate {
  /** When it came, in ms. */
  readonly since: number;
}

/** Updates that came too early, by topic and in the order of their ticks. Bounded by the constants above. */
export class KeptUpdates {
  private readonly byTopic = new Map<number, KeptUpdate[]>();
  private count = 0;
  private bytes = 0;
  /** Nothing was kept before this time. */
  private oldest = Number.POSITIVE_INFINITY;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  get topics(): Iterable<number> {
    return this.byTopic.keys();
  }

  /** Keeps a copy, unless it has the same already. False when the bounds do not allow it. */
  keep(update: TopicUpdate, now: number): boolean {
    const { topic, origin, tick, section } = update;
    let list = this.byTopic.get(topic);
    let at = list?.length ?? 0;
    while (list !== undefined && at > 0 && (list[at - 1]?.tick ?? 0) >= tick) {
      at -= 1;
      if (list[at]?.tick === tick && list[at]?.origin === origin) return true;
    }
    if (this.count >= MAX_KEPT_UPDATES || this.bytes + section.length > MAX_KEPT_BYTES)
      return false;
    if (list === undefined) {
      list = [];
      this.byTopic.set(topic, list);
    }
    list.splice(at, 0, { topic, origin, tick, section: section.slice(), since: now });
    this.count += 1;
    this.bytes += section.length;
    this.oldest = Math.min(this.oldest, now);
    return true;
  }

  /** Looks at what is kept for a topic, oldest tick first; what `done` says yes to is kept no more. */
  review(topic: number, done: (update: TopicUpdate) => boolean): void {
    const list = this.byTopic.get(topic);
    if (list === undefined) return;
    const left = list.filter((update) => {
      if (!done(update)) return true;
      this.count -= 1;
      this.bytes -= update.section.length;
      return false;
    });
    if (left.length > 0) this.byTopic.set(topic, left);
    else this.byTopic.delete(topic);
    if (this.count === 0) this.oldest = Number.POSITIVE_INFINITY;
  }

  /** Something has waited for too long. */
  isOverdue(now: number): boolean {
    if (now - this.oldest < MAX_KEPT_MS) return false;
    // What was the oldest may be gone; the others are looked at once in a while.
    this.oldest = Number.POSITIVE_INFINITY;
    for (const list of this.byTopic.values())
      for (const { since } of list) this.oldest = Math.min(this.oldest, since);
    return now - this.oldest >= MAX_KEPT_MS;
  }

  clear(): void {
    this.byTopic.clear();
    this.count = 0;
    this.bytes = 0;
    this.oldest = Number.POSITIVE_INFINITY;
  }
}
