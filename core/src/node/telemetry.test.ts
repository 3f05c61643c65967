import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { TraceFlags } from "@opentelemetry/api";
import { noopLogger } from "../logging/logger.ts";
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

test("a collector that is not there is told of once, and holds up nobody", async () => {
  const told: string[] = [];
  const logger = { ...noopLogger, warn: (message: string) => told.push(message) };
  // A port that was free a moment ago.
  const vacant = createServer();
  await new Promise<void>((resolve) => vacant.listen(0, "127.0.0.1", resolve));
  const address = vacant.address();
  assert.ok(typeof address === "object" && address !== null);
  await new Promise((resolve) => vacant.close(resolve));
  const otlpEndpoint = `http://127.0.0.1:${address.port}`;
  const telemetry = new Telemetry(
    { service: "s", version: "0", node: "n", otlpEndpoint },
    { logger },
  );
  await telemetry.start();
  telemetry.tracer("test").startSpan("message").end();
  await telemetry.stop();
  assert.deepEqual(told, ["Traces do not get to telemetry.otlpEndpoint; they are dropped."]);
});

test("two in a process: each has its own metrics and traces", async () => {
  const make = (service: string) => new Telemetry({ service, version: "0", node: service });
  const [proxy, gameserver] = [make("proxy"), make("gameserver")];
  await Promise.all([proxy.start(), gameserver.start()]);
  proxy.meter("test").createCounter("of_the_proxy").add(1);
  gameserver.meter("test").createCounter("of_the_gameserver").add(1);
  assert.equal(proxy.tracer("test").startSpan("nobody asked").isRecording(), false);
  await proxy.stop();
  const server = createServer((request, response) => gameserver.serveMetrics(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const metrics = await (await fetch(`http://127.0.0.1:${address.port}/`)).text();
  assert.match(metrics, /^of_the_gameserver_total 1/m);
  assert.doesNotMatch(metrics, /of_the_proxy/);
  await gameserver.stop();
  await new Promise((resolve) => server.close(resolve));
});

test("the meter that measures nothing takes everything", () => {
  noopMeter.createCounter("x").add(1);
  noopMeter.createObservableGauge("y").addCallback(() => assert.fail());
});

test("a gauge tells what is there; a counter does not forget", async (t) => {
  const telemetry = new Telemetry({ service: "s", version: "0", node: "n" });
  await telemetry.start();
  const server = createServer((request, response) => telemetry.serveMetrics(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.close();
    await telemetry.stop();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const shown = async () => {
    const answer = await fetch(`http://127.0.0.1:${address.port}/metrics`);
    const lines = (await answer.text()).split("\n");
    return lines.filter((line) => /^(?:worlds|joins)/.test(line));
  };
  const meter = telemetry.meter("test");
  const worlds = new Map([
    ["a", 1],
    ["b", 2],
  ]);
  meter.createObservableGauge("worlds").addCallback((result) => {
    for (const [world, value] of worlds) result.observe(value, { world });
  });
  const joins = meter.createCounter("joins");
  joins.add(1);
  assert.deepEqual(await shown(), ['worlds{world="a"} 1', 'worlds{world="b"} 2', "joins_total 1"]);
  worlds.delete("a");
  assert.deepEqual(await shown(), ['worlds{world="b"} 2', "joins_total 1"]);
  joins.add(1);
  worlds.set("b", 3);
  assert.deepEqual(await shown(), ['worlds{world="b"} 3', "joins_total 2"]);
});
