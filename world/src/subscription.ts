import type { ComponentTarget } from "./section.ts";

export interface EntityTarget extends ComponentTarget {
  readonly id: number;
  own: boolean;
}

export interface Tracked {
  readonly entity: EntityTarget;
  /** Topics it is in; while it moves between two it is in both. */
  memberships: number;
  /** What the server said last; `entity.own` follows at the end of the message. */
  own: boolean;
  /** In `entities`, so that its `added` has been told. */
  inView: boolean;
  changed: boolean;
  touched: boolean;
}

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
}
