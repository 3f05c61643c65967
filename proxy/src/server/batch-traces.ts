import { encodeTraceMarks, MAX_TRACE_MARKS, type TraceMark } from "@atlasnet/core";
import type { ProxyCounters } from "../metrics.ts";
import type { MessageTrace } from "./message-tracer.ts";

/** The traced messages of a batch that is being gathered. */
export class BatchTraces {
  private readonly counters: ProxyCounters;
  private traces: MessageTrace[] = [];
  private marks: TraceMark[] = [];

  constructor(counters: ProxyCounters) {
    this.counters = counters;
  }

  get isEmpty(): boolean {
    return this.traces.length === 0;
  }

  /** Past MAX_TRACE_MARKS a message has a span here, and nothing of it at the shard. */
  add(trace: MessageTrace, attach: number): void {
    this.traces.push(trace);
    if (this.marks.length < MAX_TRACE_MARKS) this.marks.push(trace.markFor(attach));
    else this.counters.tracesLeftOut += 1;
  }

  /** The batch leaves: its marks. There is at least one. */
  leave(): Uint8Array {
    const bytes = encodeTraceMarks(this.marks);
    for (const trace of this.empty()) trace.left();
    return bytes;
  }

  /** The batch is dropped. */
  lose(why: string): void {
    for (const trace of this.empty()) trace.lost(why);
  }

  private empty(): readonly MessageTrace[] {
    const { traces } = this;
    this.traces = [];
    this.marks = [];
    return traces;
  }
}
