import type { tracing } from "@opentelemetry/sdk-node";
import type { Logger } from "../logging/logger.ts";

type Done = Parameters<tracing.SpanExporter["export"]>[1];

/**
 * Hands spans to an exporter, and tells people when that fails: once, and once when it works again. What
 * could not be sent is gone; it is nobody's failure but the collector's, so nothing else hears of it.
 */
export class TellingExporter implements tracing.SpanExporter {
  private readonly inner: tracing.SpanExporter;
  private readonly logger: Logger;
  private failing = false;

  constructor(inner: tracing.SpanExporter, logger: Logger) {
    this.inner = inner;
    this.logger = logger;
  }

  export(spans: tracing.ReadableSpan[], done: Done): void {
    this.inner.export(spans, ({ code, error }) => {
      const failed = code !== 0;
      if (failed && !this.failing)
        this.logger.warn("Traces do not get to telemetry.otlpEndpoint; they are dropped.", {
          error,
        });
      if (!failed && this.failing) this.logger.info("Traces get to telemetry.otlpEndpoint again.");
      this.failing = failed;
      done({ code: 0 });
    });
  }

  async forceFlush(): Promise<void> {
    await this.inner.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.inner.shutdown();
  }
}
