import type { Tracked } from "./entity-view.ts";

/** One subscribed topic, by the indexes that its records use. */
export class Subscription {
  readonly topic: number;
  members = new Map<number, Tracked>();
  /** The members before the full state that is being read. */
  replaced = new Map<number, Tracked>();
  /** Of the last section applied; −1 before the first. */
  tick = -1;
  /** Number of the state message that brought it in full (docs/protocol.md, 11.4); 0 before the first. */
  origin = 0;
  /** Missed something and waits for full state. */
  broken = false;
  /** Entities that moved here by a tick it has not seen yet: they stay in view until it has. */
  readonly awaited: { tracked: Tracked; tick: number }[] = [];

  constructor(topic: number) {
    this.topic = topic;
  }
}
