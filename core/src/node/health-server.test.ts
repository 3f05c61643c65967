import assert from "node:assert/strict";
import { after, test } from "node:test";
import { describeError, OperatingError } from "../errors.ts";
import { InProcessNetwork } from "../link/in-process.ts";
import { type Health, HealthServer } from "./health-server.ts";
import { registerLinkMetrics } from "./link-metrics.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { Telemetry } from "./telemetry.ts";

const serveMetrics = new Telemetry({ service: "test", version: "0", node: "n" });

async function startServer(): Promise<HealthServer> {
  const server = new HealthServer({ port: 0 }, serveMetrics);
  after(() => server.stop());
  await server.start();
  return server;
}

async function get(server: HealthServer, path: string, method = "GET") {
  const response = await fetch(`http://127.0.0.1:${server.boundPort}${path}`, { method });
  return { status: response.status, text: await response.text() };
}

test("ready follows every check, live only the live ones", async () => {
  const server = await startServer();
  let world: Health = { ok: false, reason: "arena is being restored" };
  server.add({ name: "worlds", check: () => world });
  server.add({ name: "event-loop", kind: "live", check: () => ({ ok: true }) });
  assert.deepEqual(await get(server, "/ready"), {
    status: 503,
    text: `{"status":"failing","checks":[{"name":"worlds","ok":false,"reason":"arena is being restored"},{"name":"event-loop","ok":true}]}\n`,
  });
  assert.equal((await get(server, "/live")).status, 200);
  world = { ok: true };
  assert.equal((await get(server, "/ready")).status, 200);
  const remove = server.add({
    name: "threads",
    kind: "live",
    check: () => {
      throw new Error("thread 2 is gone");
    },
  });
  const live = await get(server, "/live");
  assert.equal(live.status, 503);
  assert.match(live.text, /thread 2 is gone/);
  remove();
  assert.equal((await get(server, "/live")).status, 200);
  server.drain();
  assert.equal((await get(server, "/ready")).status, 503);
  assert.equal((await get(server, "/live")).status, 200);
});

test("other paths and methods are answered plainly", async () => {
  const server = await startServer();
  assert.equal((await get(server, "/")).status, 404);
  assert.equal((await get(server, "/live?verbose")).status, 200);
  assert.equal((await get(server, "/ready", "POST")).status, 405);
  assert.throws(() => {
    for (const name of ["twice", "twice"]) server.add({ name, check: () => ({ ok: true }) });
  }, /health check twice already/);
});

test("a port in use names the setting and what to do", async () => {
  const server = await startServer();
  const second = new HealthServer({ port: server.boundPort ?? 0 }, serveMetrics);
  await assert.rejects(second.start(), (error) => {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, "port-in-use");
    assert.match(describeError(error), /health\.port: 127\.0\.0\.1:\d+ is in use/);
    assert.match(describeError(error), /choose another health\.port/);
    return true;
  });
  await second.stop();
  await server.stop();
  await second.start();
  await second.stop();
});

test("an address of another machine names health.host", async () => {
  const server = new HealthServer({ host: "192.0.2.1", port: 0 }, serveMetrics);
  await assert.rejects(server.start(), /health\.host: cannot listen on 192\.0\.2\.1/);
});

test("metrics are served once telemetry runs", async () => {
  const telemetry = new Telemetry({ service: "monolith", version: "0.1.0", node: "n1" });
  const server = new HealthServer({ port: 0 }, telemetry);
  after(() => server.stop());
  await server.start();
  assert.equal((await get(server, "/metrics")).status, 503);
  await Promise.all([telemetry.start(), telemetry.start()]);
  const network = new InProcessNetwork();
  registerLinkMetrics(telemetry.meter("@atlasnet/core"), network.stats, "in-process");
  network.stats.messages = 7;
  registerProcessMetrics(telemetry.meter("@atlasnet/core"));
  const { status, text } = await get(server, "/metrics");
  assert.equal(status, 200);
  assert.match(text, /^atlasnet_link_messages_total\{adapter="in-process"\} 7$/m);
  assert.match(text, /service_name="monolith"/);
  assert.match(text, /^atlasnet_process_memory_bytes\{kind="rss"\} [1-9]\d{6,}$/m);
  assert.match(text, /^atlasnet_process_cpu_seconds_total\{mode="user"\} \d/m);
  assert.match(text, /^atlasnet_event_loop_utilization_ratio \d/m);
  // No collector: spans are not recorded.
  const span = telemetry.tracer("test").startSpan("nothing");
  assert.equal(span.isRecording(), false);
  await telemetry.stop();
  await telemetry.stop();
  assert.equal((await get(server, "/metrics")).status, 503);
});

test("other paths are handed on, and end with what served them", async () => {
  const server = await startServer();
  const end = server.serve("figures", (request, response) =>
    response.end(`asked for ${request.url}`),
  );
  assert.throws(() => server.serve("figures", () => undefined), /\/figures is served already/);
  assert.equal((await get(server, "/figures/a?b=1")).text, "asked for /figures/a?b=1");
  assert.equal((await get(server, "/figures", "POST")).status, 405);
  assert.match((await get(server, "/none")).text, /\/metrics \/figures$/m);
  end();
  assert.equal((await get(server, "/figures/a")).status, 404);
});
