/** What a server, or a client, must never do with its numbers (docs/protocol.md, section 5). */
export const SEQUENCE_ERRORS = [
  /** The client sent a number that is neither the next one nor one it keeps. */
  "sent-out-of-order",
  "ack-went-back",
  /** An acknowledgement of what was never sent. */
  "ack-of-unsent",
  "ack-tick-went-back",
  /** A message of the server left out a number. */
  "message-missing",
  /** A message of the server came twice, and neither a welcome nor a resync accounts for it. */
  "message-repeated",
] as const;
export type SequenceError = (typeof SEQUENCE_ERRORS)[number];

export interface SequenceEvents {
  /** A message was sent for the first time. */
  sent(due: number): void;
  /** The server applied a message. Once for each. */
  acknowledged(due: number): void;
  /** A message was given up with its session: whether it was applied, nobody knows. */
  lost(due: number): void;
  failed(kind: SequenceError, detail: string): void;
}

/** What a welcome says of the numbers. */
export interface WelcomeNumbers {
  readonly timeline: number;
  readonly appliedSeq: number;
  readonly outSeq: number;
}

/** Resyncs without an answer that are kept track of: a client sends one in a second at most. */
const MAX_RESYNCS = 16;

/**
 * Holds what goes over one client's wire against the rules of the protocol, and finds out when each
 * message was sent and acknowledged. It knows messages by when they were due.
 *
 * 1. `waiting` are the messages handed to the client and not acknowledged, in order; the first of them
 *    has the number `base`, and the first `everSent` of them went out at least once.
 * 2. `sentHigh` and `ackHigh` are of this stream and timeline.
 * 3. The server's numbers rise. They may start again further down once for each resync of the client, and
 *    with the first message after a welcome. New messages may cross a resync, so its run may begin late;
 *    but a server handles things in order, so what it acknowledges next tells that it is done with it.
 */
export class SequenceChecker {
  private readonly events: SequenceEvents;
  private waiting: number[] = [];
  private first = 0;
  private base = 1;
  private everSent = 0;
  private sentHigh = 0;
  private ackHigh = 0;
  private ackTick = 0;
  private timeline: number | undefined;
  private stream: string | undefined;
  private received = 0;
  /** The server's last message, new or not; 0 when the next one may be any. */
  private last = 0;
  /** Resyncs whose messages may come yet: for each, what was sent before it. */
  private readonly resyncs: number[] = [];
  private inGap = false;

  constructor(events: SequenceEvents) {
    this.events = events;
  }

  /** Messages sent and not acknowledged. */
  get unacknowledged(): number {
    return this.everSent;
  }

  /** Messages handed over and not sent. */
  get unsent(): number {
    return this.waiting.length - this.first - this.everSent;
  }

  /** A message is about to be handed to the client. */
  queue(due: number): void {
    this.waiting.push(due);
  }

  /** The client did not take the last message. */
  unqueue(): void {
    this.waiting.pop();
  }

  /** What waits and was due when `chosen` says so. */
  waitingDue(chosen: (due: number) => boolean): { sent: number; unsent: number } {
    const counts = { sent: 0, unsent: 0 };
    for (let i = this.first; i < this.waiting.length; i++) {
      if (!chosen(this.waiting[i] ?? 0)) continue;
      counts[i - this.first < this.everSent ? "sent" : "unsent"] += 1;
    }
    return counts;
  }

  /** The client sends a hello. On a new stream numbers start anew, and what was sent is given up. */
  greeted(stream: string): void {
    // What was asked for on another connection does not come any more.
    this.resyncs.length = 0;
    if (stream === this.stream) return;
    this.stream = stream;
    for (let i = 0; i < this.everSent; i++) this.events.lost(this.shift());
    this.everSent = 0;
    this.base = 1;
    this.sentHigh = 0;
    this.ackHigh = 0;
    this.ackTick = 0;
    this.timeline = undefined;
    this.received = 0;
  }

  welcomed({ timeline, appliedSeq, outSeq }: WelcomeNumbers): void {
    if (this.timeline !== undefined && this.timeline !== timeline) {
      // A rollback: what is left gets new numbers, and what was acknowledged may be undone.
      this.confirm(appliedSeq);
      this.base = appliedSeq + 1;
      this.sentHigh = appliedSeq;
      this.ackHigh = appliedSeq;
      this.ackTick = 0;
      this.received = Math.min(this.received, outSeq);
    } else this.applied(appliedSeq, "a welcome");
    this.timeline = timeline;
    this.last = 0;
    this.inGap = false;
  }

  /** The client sends message `seq`. */
  sent(seq: number): void {
    if (seq > this.sentHigh + 1 || seq < this.base) {
      this.fail("sent-out-of-order", `${seq} after ${this.sentHigh}, ${this.base} being kept`);
      return;
    }
    this.sentHigh = Math.max(this.sentHigh, seq);
    const place = seq - this.base;
    if (place < this.everSent) return;
    const due = this.waiting[this.first + place];
    if (due === undefined) {
      this.fail("sent-out-of-order", `${seq}, which nobody asked for`);
      return;
    }
    this.everSent = place + 1;
    this.events.sent(due);
  }

  /** The server acknowledges up to `seq`, the last applied at `tick`. */
  acknowledged(seq: number, tick: number): void {
    if (!this.applied(seq, "an ack")) return;
    if (tick < this.ackTick) this.fail("ack-tick-went-back", `${tick} after ${this.ackTick}`);
    this.ackTick = Math.max(this.ackTick, tick);
  }

  /** The server asks for everything after `seq`. */
  asked(seq: number): void {
    this.applied(seq, "a resync");
  }

  /** A reliable message of the server. */
  delivered(seq: number): void {
    const again = seq <= this.received && seq <= this.last;
    this.last = seq;
    if (again && this.resyncs.shift() === undefined)
      this.fail("message-repeated", `${seq} after ${this.received}`);
    if (seq <= this.received) return;
    const next = seq === this.received + 1;
    // The client drops the ones behind a gap, too: it is one fault.
    if (!next && !this.inGap) this.fail("message-missing", `${seq} after ${this.received}`);
    if (next) this.received = seq;
    this.inGap = !next;
  }

  /** The client asks for what it has not got. */
  resynced(): void {
    if (this.resyncs.length === MAX_RESYNCS) this.resyncs.shift();
    this.resyncs.push(this.sentHigh);
  }

  private applied(seq: number, where: string): boolean {
    if (seq > this.sentHigh) {
      this.fail("ack-of-unsent", `${seq} in ${where}, ${this.sentHigh} having been sent`);
      return false;
    }
    if (seq < this.ackHigh) {
      this.fail("ack-went-back", `${seq} in ${where} after ${this.ackHigh}`);
      return false;
    }
    this.ackHigh = seq;
    while ((this.resyncs[0] ?? seq) < seq) this.resyncs.shift();
    this.confirm(seq);
    return true;
  }

  private confirm(seq: number): void {
    while (this.base <= seq && this.everSent > 0) {
      this.everSent -= 1;
      this.base += 1;
      this.events.acknowledged(this.shift());
    }
  }

  private shift(): number {
    const due = this.waiting[this.first] ?? 0;
    this.first += 1;
    // The front is cut off now and then: cutting at every message would copy the rest every time.
    if (this.first >= 64 && this.first * 2 >= this.waiting.length) {
      this.waiting = this.waiting.slice(this.first);
      this.first = 0;
    }
    return due;
  }

  private fail(kind: SequenceError, detail: string): void {
    this.events.failed(kind, detail);
  }
}
