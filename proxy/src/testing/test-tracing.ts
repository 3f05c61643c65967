import { type SecureRandom, type TraceMark, UpstreamKind } from "@atlasnet/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import type { ProxyCounters } from "../metrics.ts";
import { MessageTracer } from "../server/message-tracer.ts";
import type { UpstreamItem } from "../session/attachment-effects.ts";

const noDie: SecureRandom = {
  bytes: () => {
    throw new Error("nothing is left to chance here");
  },
};

/** A tracer of messages whose spans a test sees as soon as they end. */
export function testTracing(
  counters: ProxyCounters,
  { sampleOneIn = 1, random = noDie }: { sampleOneIn?: number; random?: SecureRandom } = {},
) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const time = { now: 1_700_000_000_000 };
  const tracer = provider.getTracer("test");
  const tracing = new MessageTracer(
    { sampleOneIn },
    { tracer, random, counters, unixMs: () => time.now },
  );
  const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
  return { tracing, time, spans };
}

/** The mark that names a span. */
export function markOf(span: ReadableSpan | undefined, attach: number): TraceMark | undefined {
  const context = span?.spanContext();
  if (context === undefined) return undefined;
  const { traceId, spanId } = context;
  return { attach, n: Number(span?.attributes["seq"]), traceId, spanId };
}

export function messageItem(n: number): UpstreamItem {
  return { kind: UpstreamKind.message, n, index: 0, payload: new Uint8Array(40) };
}
