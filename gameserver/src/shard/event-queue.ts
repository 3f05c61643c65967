import type { Attach, Detach, Leave, Watch } from "@atlasnet/core";
import type { Attachment } from "./attachment.ts";
import type { WorldEvent } from "./world-module.ts";

/** Events handled in one tick; more wait for the next. */
export const MAX_EVENTS_PER_TICK = 20_000;
/** Events waiting; past it messages of clients are dropped (reliable ones are sent again later). */
export const MAX_QUEUED_EVENTS = 100_000;

export type Control = Attach | Watch | Detach | Leave;

/**
 * An input or a reliable message of a client. It is the very event that its handler gets, so that the
 * most frequent thing there is costs one object on its way.
 */
export interface ClientEvent {
  readonly kind: "client";
  readonly type: "input" | "message";
  readonly session: number;
  readonly index: number;
  readonly payload: Uint8Array;
  readonly attachment: Attachment;
  /** Its number among the client's inputs or messages. */
  readonly n: number;
}

export type Queued =
  | ClientEvent
  | { readonly kind: "ack"; readonly attachment: Attachment; readonly n: number }
  | { readonly kind: "resync"; readonly attachment: Attachment; readonly messages: boolean }
  | { readonly kind: "control"; readonly peer: number; readonly message: Control }
  | { readonly kind: "disconnect"; readonly peer: number }
  | { readonly kind: "world"; readonly event: WorldEvent };

/** What waits for the next tick, in the order it came. */
export class EventQueue {
  private entries: Queued[] = [];
  private position = 0;
  /** Where this tick stops. */
  private end = 0;

  push(queued: Queued): void {
    this.entries.push(queued);
  }

  get length(): number {
    return this.entries.length - this.position;
  }

  get isFull(): boolean {
    return this.length >= MAX_QUEUED_EVENTS;
  }

  /** Begins a tick: `next` gives what waits now, MAX_EVENTS_PER_TICK at most. */
  begin(): void {
    this.end = Math.min(this.entries.length, MAX_EVENTS_PER_TICK);
  }

  next(): Queued | undefined {
    if (this.position >= this.end) return undefined;
    const queued = this.entries[this.position];
    this.position += 1;
    return queued;
  }

  /** Gives the last one of `next` once more. */
  again(): void {
    this.position -= 1;
  }

  /** Ends the tick; returns how many events it took. */
  finish(): number {
    const taken = this.position;
    this.entries = taken === this.entries.length ? [] : this.entries.slice(taken);
    this.position = 0;
    this.end = 0;
    return taken;
  }

  /** True when an event waits that nobody sends again: of the world, and not an answer it asked for. */
  get hasOwn(): boolean {
    return this.entries.some((q) => q.kind === "world" && q.event.type !== "response");
  }

  /** Empties the queue. */
  drain(): Queued[] {
    const left = this.entries.slice(this.position);
    this.entries = [];
    this.position = 0;
    return left;
  }
}
