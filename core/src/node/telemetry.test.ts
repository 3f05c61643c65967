import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { TraceFlags } from "@opentelemetry/api";
import { noopMeter, Telemetry } from "./telemetry.ts";

test("traces go to the configured collector, at the latest when stopping", async () => {
  const requests: string[] = [];
  const collector = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers["content-type"]}`);
    request.resume();
    request.on("end", () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const address = collector.address();
  assert.ok(typeof address === "object" && address !== null);
  const telemetry = new Telemetry({
    service: "monolith",
    version: "0.1.0",
    node: "n1",
    otlpEndpoint: `http://127.0.0.1:${address.port}/`,
  });
  await telemetry.start();
  telemetry.tracer("test").startSpan("join").end();
  await telemetry.stop();
  assert.deepEqual(requests, ["POST /v1/traces application/x-protobuf"]);
  await new Promise((resolve) => collector.close(resolve));
});

test("no span is left out, whatever the variables of OpenTelemetry say", async () => {
  process.env["OTEL_TRACES_SAMPLER"] = "always_off";
  // Nothing listens there, and nothing is sent: the span does not end.
  const otlpEndpoint = "http://127.0.0.1:9";
  const telemetry = new Telemetry({ service: "s", version: "0", node: "n", otlpEndpoint });
  await telemetry.start();
  const span = telemetry.tracer("test").startSpan("message");
  assert.equal(span.isRecording(), true);
  assert.equal(span.spanContext().traceFlags, TraceFlags.SAMPLED);
  await telemetry.stop();
  delete process.env["OTEL_TRACES_SAMPLER"];
});

test("the meter that measures nothing takes everything", () => {
  noopMeter.createCounter("x").add(1);
  noopMeter.createObservableGauge("y").addCallback(() => assert.fail());
});
