import { ByteReader } from "./bytes.ts";
import type { EntityView } from "./entity-view.ts";
import { KeptUpdates, type TopicUpdate } from "./kept-updates.ts";
import { readPrevious } from "./section.ts";
import type { SubscribedTopics } from "./subscribed-topics.ts";

/**
 * Takes in topics' changes that arrive one by one, out of order, more than once or late
 * (docs/protocol.md, 11.4). Each is applied in its place; what comes too early is kept.
 */
export class TopicUpdates {
  private readonly topics: SubscribedTopics;
  private readonly view: EntityView;
  private readonly kept = new KeptUpdates();
  private readonly reader = new ByteReader(new Uint8Array(0));
  /** Applies or drops what is kept; false for what has to go on waiting. */
  private readonly isDone = (update: TopicUpdate): boolean => {
    const verdict = this.judge(update);
    if (verdict === "apply") this.topics.readUpdate(this.reader, update);
    return verdict !== "keep";
  };

  constructor(topics: SubscribedTopics, view: EntityView) {
    this.topics = topics;
    this.view = view;
  }

  reset(): void {
    this.kept.clear();
  }

  /** The section may be a view. @throws DecodeError */
  take(update: TopicUpdate, now: number): void {
    switch (this.judge(update)) {
      case "apply":
        this.topics.readUpdate(this.reader, update);
        this.kept.review(update.topic, this.isDone);
        break;
      case "keep":
        if (!this.kept.keep(update, now)) this.giveUp();
        break;
      case "drop":
    }
  }

  /** A state message was applied: some of what is kept may have waited for it. @throws DecodeError */
  review(): void {
    if (this.kept.isEmpty) return;
    for (const topic of [...this.kept.topics]) this.kept.review(topic, this.isDone);
  }

  /** Gives up on what was kept for too long. */
  sweep(now: number): void {
    if (this.kept.isOverdue(now)) this.giveUp();
  }

  /** Leaves the reader at the section's begin. */
  private judge({ topic, origin, tick, section }: TopicUpdate): "apply" | "keep" | "drop" {
    const { topics, reader } = this;
    const subscription = topics.get(topic);
    if (subscription === undefined || subscription.origin !== origin)
      return origin > topics.origins ? "keep" : "drop";
    if (tick <= subscription.tick) return "drop";
    reader.reset(section);
    const previous = readPrevious(reader);
    reader.offset = 0;
    if (previous === 0) return "apply";
    if (subscription.broken) return "drop";
    return tick - previous <= subscription.tick ? "apply" : "keep";
  }

  /** Drops what is kept: its topics wait for full state from here on, which is asked for. */
  private giveUp(): void {
    const { topics, kept } = this;
    for (const topic of kept.topics) {
      const subscription = topics.get(topic);
      if (subscription === undefined) continue;
      kept.review(topic, ({ origin }) => {
        if (origin === subscription.origin) subscription.broken = true;
        return false;
      });
    }
    kept.clear();
    this.view.changes.gap = true;
  }
}
