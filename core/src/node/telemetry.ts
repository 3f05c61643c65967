import type { IncomingMessage, ServerResponse } from "node:http";
import { createNoopMeter, type Meter, metrics, type Tracer, trace } from "@opentelemetry/api";

export interface TelemetryOptions {
  /** What this process is, as `service.name`: monolith, proxy and so on. */
  readonly service: string;
  readonly version: string;
  readonly node: string;
  /** Base address of an OTLP/HTTP collector, as in `http://127.0.0.1:4318`. Absent: no traces. */
  readonly otlpEndpoint?: string;
}

/** A meter that measures nothing, for tests and tools. */
export const noopMeter: Meter = createNoopMeter();

interface Running {
  shutdown(): Promise<void>;
  serve(request: IncomingMessage, response: ServerResponse): void;
}

/**
 * Metrics in the form of Prometheus, and traces where a collector is configured.
 *
 * Instruments made before `start` measure nothing for ever: start telemetry first, then hand
 * `meter()` to those who measure. Packages take a `Meter` as a dependency; this class alone knows the SDK.
 * The SDK is loaded by `start`, because it takes about 150 ms and 20 MB.
 */
export class Telemetry {
  private readonly options: TelemetryOptions;
  private running: Promise<Running> | undefined;
  private serving: Running | undefined;

  constructor(options: TelemetryOptions) {
    this.options = options;
  }

  /** Idempotent. The SDK registers itself for the process: one Telemetry at a time. */
  async start(): Promise<void> {
    this.running ??= this.load();
    this.serving = await this.running;
  }

  meter(name: string): Meter {
    return metrics.getMeter(name, this.options.version);
  }

  tracer(name: string): Tracer {
    return trace.getTracer(name, this.options.version);
  }

  /** Answers a scrape; 503 while not started. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void {
    if (this.serving !== undefined) return this.serving.serve(request, response);
    response.writeHead(503, { "content-type": "text/plain" }).end("telemetry is not started\n");
  }

  /** Sends what traces there are and stops measuring. Idempotent. */
  async stop(): Promise<void> {
    // A start that fails has told its caller; here it only means that there is nothing to stop.
    const running = await this.running?.catch(() => undefined);
    this.running = undefined;
    this.serving = undefined;
    if (running === undefined) return;
    await running.shutdown();
    metrics.disable();
    trace.disable();
  }

  private async load(): Promise<Running> {
    const { service, version, node, otlpEndpoint } = this.options;
    const [{ NodeSDK, tracing }, { PrometheusExporter }, { resourceFromAttributes }] =
      await Promise.all([
        import("@opentelemetry/sdk-node"),
        import("@opentelemetry/exporter-prometheus"),
        import("@opentelemetry/resources"),
      ]);
    // Our own server serves it, beside /live and /ready.
    const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
    const resource = resourceFromAttributes({
      "service.name": service,
      "service.version": version,
      "service.instance.id": node,
    });
    // Every exporter is named here, because the SDK would take the missing ones from OTEL_* variables
    // and export to localhost by default. Settings of ours come from one place.
    const common = {
      resource,
      autoDetectResources: false,
      metricReaders: [exporter],
      logRecordProcessors: [],
      instrumentations: [],
      textMapPropagator: null,
      // Whoever begins a trace has chosen already; what goes on in another process belongs to it.
      sampler: new tracing.ParentBasedSampler({ root: new tracing.AlwaysOnSampler() }),
    };
    const sdk =
      otlpEndpoint === undefined
        ? new NodeSDK({ ...common, spanProcessors: [] })
        : new NodeSDK({ ...common, traceExporter: await traceExporter(otlpEndpoint) });
    sdk.start();
    return {
      shutdown: () => sdk.shutdown(),
      serve: (request, response) => exporter.getMetricsRequestHandler(request, response),
    };
  }
}

async function traceExporter(endpoint: string) {
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` });
}
