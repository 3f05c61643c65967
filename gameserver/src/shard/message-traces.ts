import { decodeTraceMarks, type TraceMark, type UpstreamEntry, UpstreamKind } from "@atlasnet/core";
import { DecodeError } from "@atlasnet/world";
import type { ClientEvent } from "./event-queue.ts";

/** Traced messages of one shard that are under way; more go on untraced and are counted. */
export const MAX_TRACED_MESSAGES = 1024;

/**
 * What became of a client's message: the world has it; it had it before; one before it is missing; the
 * shard would not have it; its handler failed and was taken back.
 */
export type MessageOutcome = "applied" | "duplicate" | "gap" | "refused" | "faulted";

export interface TraceReport {
  readonly mark: TraceMark;
  /** Absent for a message of an attachment that is no more. */
  readonly session: number | undefined;
  /** The caller's, as given with the message. */
  readonly receivedAt: number;
  /** The tick that decided, or the last one before it was refused at once. */
  tick: number;
  outcome: MessageOutcome;
}

/** The marks of one batch, and when it came. */
export interface BatchMarks {
  readonly marks: readonly TraceMark[];
  readonly receivedAt: number;
}

/**
 * Goes along with the traced messages of a shard from their batch to the tick that decides about them.
 * It is beside the shard's state: nothing reads it but whoever makes spans, so a traced world and an
 * untraced one stay equal to the byte.
 */
export class MessageTraces {
  private readonly pending = new Map<ClientEvent, TraceReport>();
  private reports: TraceReport[] = [];
  /** Traced messages that were not followed for want of room. */
  untraced = 0;

  /** A message waits for its tick. */
  follow(event: ClientEvent, mark: TraceMark, receivedAt: number): void {
    if (this.hasRoom())
      this.pending.set(event, {
        mark,
        session: event.session,
        receivedAt,
        tick: 0,
        outcome: "refused",
      });
  }

  /** A message was turned away before it got into the queue. */
  refuse(mark: TraceMark, receivedAt: number, tick: number, session?: number): void {
    if (this.hasRoom()) this.reports.push({ mark, session, receivedAt, tick, outcome: "refused" });
  }

  /**
   * A message has its turn; undefined for one that is not traced. Who handles it sets the outcome: what
   * was cut off before that stays as `faulted`.
   */
  begin(event: ClientEvent, tick: number): TraceReport | undefined {
    if (this.pending.size === 0) return undefined;
    const report = this.pending.get(event);
    if (report === undefined) return undefined;
    this.pending.delete(event);
    report.tick = tick;
    report.outcome = "faulted";
    this.reports.push(report);
    return report;
  }

  /** Nothing that waits gets its turn any more. */
  refusePending(tick: number): void {
    for (const report of this.pending.values()) {
      report.tick = tick;
      this.reports.push(report);
    }
    this.pending.clear();
  }

  /** What was decided since the last call. */
  take(): readonly TraceReport[] {
    if (this.reports.length === 0) return NONE;
    const { reports } = this;
    this.reports = [];
    return reports;
  }

  private hasRoom(): boolean {
    if (this.pending.size + this.reports.length < MAX_TRACED_MESSAGES) return true;
    this.untraced += 1;
    return false;
  }
}

const NONE: readonly TraceReport[] = [];

/** The mark of a batch's entry. There are few in a batch, and seldom any. */
export function markOf(marks: readonly TraceMark[], entry: UpstreamEntry): TraceMark | undefined {
  if (entry.kind !== UpstreamKind.message) return undefined;
  return marks.find(({ attach, n }) => attach === entry.attach && n === entry.n);
}

/** The marks of a batch as they came; undefined when they are not of their form. */
export function readMarks(trace: Uint8Array): readonly TraceMark[] | undefined {
  try {
    return decodeTraceMarks(trace);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
