import { isSpanContextValid, type Span, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type { AttachmentEffect } from "../session/attachment-effects.ts";

/** One span `player.attach` from a client's hello to its welcome or refusal. */
export class AttachTrace {
  private readonly tracer: Tracer;
  private readonly transport: string;
  private span: Span | undefined;
  /** Of the attach that is under way or failed, for log lines; undefined where nothing is traced. */
  traceId: string | undefined;

  constructor(tracer: Tracer, transport: string) {
    this.tracer = tracer;
    this.transport = transport;
  }

  note(effect: AttachmentEffect): void {
    switch (effect.type) {
      case "identify": {
        const { world, resume, ticket } = effect.hello;
        const by = resume !== undefined ? "resume" : ticket !== undefined ? "ticket" : "guest";
        this.span?.end();
        this.span = this.tracer.startSpan("player.attach", {
          attributes: { world, by, transport: this.transport },
        });
        const context = this.span.spanContext();
        this.traceId = isSpanContextValid(context) ? context.traceId : undefined;
        return;
      }
      case "release":
        this.span?.end();
        this.span = undefined;
        this.traceId = undefined;
        return;
      case "close":
        this.span?.setStatus({ code: SpanStatusCode.ERROR, message: effect.code });
        this.span?.end();
        this.span = undefined;
        return;
      default:
    }
  }
}
