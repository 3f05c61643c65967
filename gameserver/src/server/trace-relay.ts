import { decodeTraceMarks, encodeTraceMarks, type TraceMark, type Upstream } from "@atlasnet/core";
import { DecodeError } from "@atlasnet/world";
import {
  type Attributes,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { TraceTimes } from "../host/protocol.ts";
import type { TraceReport } from "../shard/shard.ts";

export interface TraceRelayDependencies {
  /** Absent: marks are checked and dropped. */
  tracer: Tracer | undefined;
  /** Unix ms with fractions, the same on every thread. */
  unixMs: () => number;
}

/** A batch with traced messages, as it goes on to its world thread. */
export interface RelayedBatch {
  message: Upstream;
  /** To be called once it was posted. */
  posted(): void;
}

/** Where a span belongs. */
export interface TracedPlace {
  world: string;
  shard: string;
  /** Node id of the proxy that sent the batch. */
  proxy: string;
}

/**
 * The gameserver's part of a message's trace: `shard.receive` from the link to the world thread, below
 * it `shard.apply` from there to the tick that decided. World threads know marks only; spans are made
 * here, of what they report. Nothing stays open between calls but what `posted` ends.
 */
export class TraceRelay {
  private readonly tracer: Tracer | undefined;
  private readonly unixMs: () => number;

  constructor({ tracer, unixMs }: TraceRelayDependencies) {
    this.tracer = tracer;
    this.unixMs = unixMs;
  }

  /** Takes a batch that has marks. Undefined when they are not of their form: the peer is at fault. */
  receive(message: Upstream, place: TracedPlace): RelayedBatch | undefined {
    const { shard, epoch, batch } = message;
    const marks = readMarks(message);
    if (marks === undefined) return undefined;
    // What came over the link may be shared and is not changed.
    const bare: Upstream = { type: "upstream", shard, epoch, batch };
    const spans = this.begin(marks, { ...place, epoch });
    if (spans.length === 0) return { message: bare, posted: () => {} };
    const onward = spans.map(({ span, mark }) => ({ ...mark, spanId: span.spanContext().spanId }));
    return {
      message: { ...bare, trace: encodeTraceMarks(onward) },
      posted: () => {
        const now = this.unixMs();
        for (const { span } of spans) span.end(now);
      },
    };
  }

  private begin(
    marks: readonly TraceMark[],
    attributes: Attributes,
  ): { span: Span; mark: TraceMark }[] {
    const { tracer } = this;
    if (tracer === undefined) return [];
    const startTime = this.unixMs();
    return marks.flatMap((mark) => {
      const span = tracer.startSpan(
        "shard.receive",
        {
          kind: SpanKind.CONSUMER,
          startTime,
          attributes: { ...attributes, attach: mark.attach, seq: mark.n },
        },
        contextOf(mark),
      );
      return isSpanContextValid(span.spanContext()) ? [{ span, mark }] : [];
    });
  }

  /** Makes the spans of messages that a world thread has decided about. */
  decided(world: string, shard: string, epoch: number, traces: TraceTimes): void {
    for (const report of traces.reports)
      this.apply(report, { world, shard, epoch }, traces.decidedAt);
  }

  private apply(report: TraceReport, attributes: Attributes, decidedAt: number): void {
    const { mark, session, tick, outcome, receivedAt } = report;
    const span = this.tracer?.startSpan(
      "shard.apply",
      {
        startTime: receivedAt,
        attributes: {
          ...attributes,
          tick,
          attach: mark.attach,
          seq: mark.n,
          outcome,
          ...(session === undefined ? {} : { session }),
        },
      },
      contextOf(mark),
    );
    if (outcome !== "applied" && outcome !== "duplicate")
      span?.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
    span?.end(decidedAt);
  }
}

/** The span a mark names, as parent. */
function contextOf({ traceId, spanId }: TraceMark): Context {
  const parent = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function readMarks({ trace }: Upstream): TraceMark[] | undefined {
  if (trace === undefined) return [];
  try {
    return decodeTraceMarks(trace);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
