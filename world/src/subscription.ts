import type { Tracked } from "./entity-view.ts";

/** One subscribed topic, by the indexes that its records use. */
export class Subscription {
  readonly topic: number;
  members = new Map<number, Tracked>();
  /** The members before the full state that is being read. */
  replaced = new Map<number, Tracked>();
  /** Of the last section applied; −1 before the first. */
  tick = -1;
  /** Missed something and waits for full state. */
  broken = false;
  /** Entities that moved here while it was broken: they stay in view until full state comes. */
  readonly awaited: Tracked[] = [];

  constructor(topic: number) {
    this.topic = topic;
  }

  /** It has no state that could be built upon. */
  get waitsForFull(): boolean {
    return this.broken || this.tick < 0;
  }
}
