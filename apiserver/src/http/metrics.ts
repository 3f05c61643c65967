import type { Meter } from "@opentelemetry/api";

/** Instruments of the HTTP API. Without a meter nothing is measured. */
export interface ApiMetrics {
  answered(route: string, status: number, seconds: number): void;
}

export function apiMetrics(meter: Meter | undefined, streams: () => number): ApiMetrics {
  if (meter === undefined) return { answered: () => undefined };
  const requests = meter.createCounter("atlasnet_api_requests_total", {
    description: "Requests to the HTTP API, by operation and status.",
  });
  const duration = meter.createHistogram("atlasnet_api_request_seconds", {
    description: "Time until a request to the HTTP API was answered; of streams, until they began.",
    unit: "s",
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10] },
  });
  meter
    .createObservableGauge("atlasnet_api_streams", {
      description: "Watches over HTTP that are open; maxStreams bounds them.",
    })
    .addCallback((result) => result.observe(streams()));
  return {
    answered: (route, status, seconds) => {
      requests.add(1, { route, status });
      duration.record(seconds, { route });
    },
  };
}
