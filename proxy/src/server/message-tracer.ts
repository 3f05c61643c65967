import type { SecureRandom, TraceMark } from "@atlasnet/core";
import {
  type Attributes,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from "@opentelemetry/api";
import type { ProxyCounters } from "../metrics.ts";

/** Spans open at a time; messages chosen past it go untraced and are counted. */
const MAX_OPEN_TRACES = 256;

export interface MessageTracerOptions {
  /** One in so many reliable messages is traced; 0: none. */
  sampleOneIn: number;
}

export interface MessageTracerDependencies {
  tracer: Tracer;
  random: SecureRandom;
  counters: ProxyCounters;
  /** Unix ms with fractions. */
  unixMs: () => number;
}

/** The span `player.message` of one message. `left` or `lost` ends it, whichever comes first. */
export class MessageTrace {
  /** The message's number. */
  readonly seq: number;
  private readonly span: Span;
  private readonly tracer: MessageTracer;

  constructor(span: Span, seq: number, tracer: MessageTracer) {
    this.span = span;
    this.seq = seq;
    this.tracer = tracer;
  }

  /** What is known only when the message goes on. */
  note(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  markFor(attach: number): TraceMark {
    const { traceId, spanId } = this.span.spanContext();
    return { attach, n: this.seq, traceId, spanId };
  }

  /** The batch with the message left for its shard. */
  left(): void {
    this.tracer.close(this);
    this.span.end(this.tracer.unixMs());
  }

  /** The message will not get to its shard by way of this span; its client may send it again. */
  lost(why: string): void {
    this.tracer.close(this);
    this.span.setStatus({ code: SpanStatusCode.ERROR, message: why });
    this.span.end(this.tracer.unixMs());
  }
}

/**
 * Chooses the messages that are traced and knows every span that is open. Where nothing is traced `on`
 * is false, and to ask for that is all a message costs.
 */
export class MessageTracer {
  readonly on: boolean;
  readonly unixMs: () => number;
  private readonly oneIn: number;
  private readonly dependencies: MessageTracerDependencies;
  private readonly open = new Set<MessageTrace>();
  /** Messages their players keep until there is a shard for them. */
  private readonly kept = new Map<MessageTrace, object>();
  private untilNext: number;

  constructor({ sampleOneIn }: MessageTracerOptions, dependencies: MessageTracerDependencies) {
    this.on = sampleOneIn > 0;
    this.oneIn = sampleOneIn;
    this.dependencies = dependencies;
    this.unixMs = dependencies.unixMs;
    this.untilNext = this.on ? this.gap() : 0;
  }

  /** True for the messages to trace; to be asked once for each while `on`. */
  choose(): boolean {
    this.untilNext -= 1;
    if (this.untilNext > 0) return false;
    this.untilNext = this.gap();
    return true;
  }

  /**
   * How many messages on the next one is chosen: as if a die were cast for each, so that no rhythm of
   * clients can be in step with it.
   */
  private gap(): number {
    if (this.oneIn === 1) return 1;
    const bytes = this.dependencies.random.bytes(4);
    const chance = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32;
    return 1 + Math.floor(Math.log1p(-chance) / Math.log1p(-1 / this.oneIn));
  }

  /** Opens the span of a chosen message that has just come. */
  begin(seq: number, attributes: Attributes): MessageTrace | undefined {
    const { tracer, counters } = this.dependencies;
    if (this.open.size >= MAX_OPEN_TRACES) {
      counters.tracesLeftOut += 1;
      return undefined;
    }
    const span = tracer.startSpan(
      "player.message",
      {
        kind: SpanKind.SERVER,
        startTime: this.unixMs(),
        attributes: { ...attributes, seq },
      },
      ROOT_CONTEXT,
    );
    // A tracer that makes nothing has nothing to go on.
    if (!isSpanContextValid(span.spanContext())) return undefined;
    counters.messagesTraced += 1;
    const trace = new MessageTrace(span, seq, this);
    this.open.add(trace);
    return trace;
  }

  /** A player keeps the message until there is a shard for it. */
  keep(owner: object, trace: MessageTrace): void {
    trace.note({ kept: true });
    this.kept.set(trace, owner);
  }

  /** A player's kept message goes on: its trace, if it has one. */
  takeKept(owner: object, seq: number): MessageTrace | undefined {
    for (const [trace, of] of this.kept)
      if (of === owner && trace.seq === seq) {
        this.kept.delete(trace);
        return trace;
      }
    return undefined;
  }

  /** A player's kept messages are dropped. */
  dropKept(owner: object, why: string): void {
    for (const [trace, of] of this.kept) if (of === owner) trace.lost(why);
  }

  /** Called by a trace that ends. */
  close(trace: MessageTrace): void {
    this.open.delete(trace);
    this.kept.delete(trace);
  }

  /** Nothing goes on from here. */
  stop(): void {
    for (const trace of this.open) trace.lost("the proxy stopped");
  }
}
