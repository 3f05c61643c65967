import type { IncomingMessage, ServerResponse } from "node:http";
import { createNoopMeter, type Meter, ProxyTracerProvider, type Tracer } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { InstrumentType as Instrument } from "@opentelemetry/sdk-metrics";
import { type Logger, noopLogger } from "../logging/logger.ts";
import { TellingExporter } from "./telling-exporter.ts";

export interface TelemetryOptions {
  /** What this process is, as `service.name`: monolith, proxy and so on. */
  readonly service: string;
  readonly version: string;
  readonly node: string;
  /** Base address of an OTLP/HTTP collector, as in `http://127.0.0.1:4318`. Absent: no traces. */
  readonly otlpEndpoint?: string;
}

export interface TelemetryDependencies {
  /** Told when traces cannot be sent. Default: nobody is. */
  readonly logger?: Logger;
}

/** Longest that spans are tried to be sent, and that `stop` waits for a collector that is not there. */
const EXPORT_TIMEOUT_MS = 3_000;

/** A meter that measures nothing, for tests and tools. */
export const noopMeter: Meter = createNoopMeter();

/** Nobody is behind it, so it makes spans of nothing. */
const noTraces = new ProxyTracerProvider();

interface Running {
  meter(name: string): Meter;
  tracer(name: string): Tracer;
  shutdown(): Promise<void>;
  serve(request: IncomingMessage, response: ServerResponse): void;
}

/**
 * Metrics in the form of Prometheus, and traces where a collector is configured.
 *
 * What is made before `start` measures nothing for ever: start telemetry first, then hand `meter()` and
 * `tracer()` to those who measure. Packages take a `Meter` as a dependency; this class alone knows the SDK.
 * The SDK is loaded by `start`, because it takes time and memory. Nothing is global: several of
 * these in a process, as of a gameserver and a proxy in a test, do not see each other.
 */
export class Telemetry {
  private readonly options: TelemetryOptions;
  private readonly logger: Logger;
  private running: Promise<Running> | undefined;
  private serving: Running | undefined;

  constructor(options: TelemetryOptions, { logger = noopLogger }: TelemetryDependencies = {}) {
    this.options = options;
    this.logger = logger;
  }

  /** Idempotent. */
  async start(): Promise<void> {
    this.running ??= this.load();
    this.serving = await this.running;
  }

  meter(name: string): Meter {
    return this.serving?.meter(name) ?? noopMeter;
  }

  tracer(name: string): Tracer {
    return this.serving?.tracer(name) ?? noTraces.getTracer(name);
  }

  /** Answers a scrape; 503 while not started. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void {
    if (this.serving !== undefined) return this.serving.serve(request, response);
    response.writeHead(503, { "content-type": "text/plain" }).end("telemetry is not started\n");
  }

  /** Sends what traces there are, or tells that it could not, and stops measuring. Idempotent. */
  async stop(): Promise<void> {
    // A start that fails has told its caller; here it only means that there is nothing to stop.
    const running = await this.running?.catch(() => undefined);
    this.running = undefined;
    this.serving = undefined;
    await running?.shutdown();
  }

  private async load(): Promise<Running> {
    const { service, version, node, otlpEndpoint } = this.options;
    // What metrics need of the SDK. All of it, with its exporters, is loaded for traces only: it takes as long as the rest.
    const [sdk, { resourceFromAttributes }, { PrometheusExporter }] = await Promise.all([
      import("@opentelemetry/sdk-metrics"),
      import("@opentelemetry/resources"),
      import("@opentelemetry/exporter-prometheus"),
    ]);
    const { AggregationTemporality, InstrumentType } = sdk;
    /** The SDK would tell the last value of what is gone (a world, a link) for as long as the process lives. */
    class PresentGauges extends PrometheusExporter {
      override selectAggregationTemporality(type: Instrument) {
        return type === InstrumentType.OBSERVABLE_GAUGE
          ? AggregationTemporality.DELTA
          : super.selectAggregationTemporality(type);
      }
    }
    // Our own server serves it, beside /live and /ready.
    const exporter = new PresentGauges({ preventServerStart: true, withoutScopeInfo: true });
    const resource = resourceFromAttributes({
      "service.name": service,
      "service.version": version,
      "service.instance.id": node,
    });
    const meters = new sdk.MeterProvider({ resource, readers: [exporter] });
    const traces =
      otlpEndpoint === undefined ? undefined : await tracesTo(otlpEndpoint, resource, this.logger);
    return {
      meter: (name) => meters.getMeter(name, version),
      tracer: (name) => (traces ?? noTraces).getTracer(name, version),
      shutdown: async () => {
        await traces?.shutdown();
        await meters.shutdown();
      },
      serve: (request, response) => exporter.getMetricsRequestHandler(request, response),
    };
  }
}

/** Its providers, but not its NodeSDK, which is one for the whole process. */
async function tracesTo(endpoint: string, resource: Resource, logger: Logger) {
  const [{ OTLPTraceExporter }, { tracing }] = await Promise.all([
    import("@opentelemetry/exporter-trace-otlp-proto"),
    import("@opentelemetry/sdk-node"),
  ]);
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  return new tracing.BasicTracerProvider({
    resource,
    // Whoever begins a trace has chosen already; what goes on in another process belongs to it.
    sampler: new tracing.ParentBasedSampler({ root: new tracing.AlwaysOnSampler() }),
    spanProcessors: [new tracing.BatchSpanProcessor(new TellingExporter(exporter, logger))],
  });
}
