import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type TestContext, test } from "node:test";
import { HealthServer } from "@atlasnet/core/node";
import { NO_FIGURES } from "./metrics-text.ts";
import { probe } from "./probe.ts";

const HOST = "127.0.0.1";
const ask = (port: number | undefined, timeoutMs = 10_000) =>
  probe({ host: HOST, port: port ?? 0, role: "proxy", timeoutMs });

async function serving(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, HOST);
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}

test("what the health server of a process says", async (t) => {
  const server = new HealthServer(
    { host: HOST, port: 0 },
    {
      serveMetrics: (_request, response) => response.end('atlasnet_proxy_link_up{peer="gs-1"} 1\n'),
    },
  );
  await server.start();
  t.after(() => server.stop());
  const { health, figures } = await ask(server.boundPort);
  assert.deepEqual(health, { answers: true, ready: true, draining: false, reason: "" });
  assert.equal(figures.linksUp, 1);
  server.add({ name: "peers", check: () => ({ ok: false, reason: "gs-1 was not heard" }) });
  assert.deepEqual((await ask(server.boundPort)).health, {
    answers: true,
    ready: false,
    draining: false,
    reason: "peers: gs-1 was not heard",
  });
  server.drain();
  const { health: draining } = await ask(server.boundPort);
  assert.ok(draining.answers && draining.draining && !draining.ready);
});

test("no answer, a slow one, nonsense and an endless one are no health", async (t) => {
  const slow = await serving(t, () => undefined);
  assert.deepEqual(await ask(slow, 50), {
    health: { answers: false, reason: "no answer within 50 ms" },
    figures: NO_FIGURES,
  });
  const nonsense = await serving(t, (_request, response) => response.writeHead(500).end("<html>"));
  assert.deepEqual((await ask(nonsense)).health, {
    answers: false,
    reason: "/ready answers with status 500 and no checks",
  });
  const endless = await serving(t, (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  });
  const { health } = await ask(endless);
  assert.match(health.answers ? "" : health.reason, /more than 4194304 bytes/);
  const { health: closed } = await ask(1);
  assert.match(closed.answers ? "" : closed.reason, /ECONNREFUSED|EACCES/);
});
