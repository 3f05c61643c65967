import assert from "node:assert/strict";
import test from "node:test";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import fastify from "fastify";
import { AuditLog } from "./audit.ts";
import type { EventStream } from "./event-stream.ts";
import { RequestHandler } from "./request-handler.ts";
import { allRoutes } from "./routes/all-routes.ts";
import { apiScene } from "./testing/scene.ts";
import { createToken, TokenVerifier } from "./tokens.ts";

test("a request is measured once, a stream when it begins", async (t) => {
  const scene = await apiScene();
  t.after(() => scene.close());
  const { store } = scene;
  const clock = systemClock;
  const about = { name: "admin", role: "admin", created: 0, expires: 0 } as const;
  const { id, token, record } = createToken(about, systemRandom);
  const audit = new AuditLog({ logger: noopLogger, clock });
  const measured: string[] = [];
  const streams = new Set<EventStream>();
  const routes = allRoutes({
    node: "api-1",
    store,
    clock,
    random: systemRandom,
    logger: noopLogger,
    audit,
    cluster: undefined,
    placement: undefined,
    raft: undefined,
    backup: undefined,
    logLevel: undefined,
  });
  const app = fastify({ forceCloseConnections: true });
  t.after(() => app.close());
  new RequestHandler(
    { routes, maxStreams: 1 },
    {
      store,
      clock,
      logger: noopLogger,
      audit,
      tokens: new TokenVerifier({ local: new Map([[id, record]]) }, { store, wallTime: () => 0 }),
      metrics: { answered: (route, status) => void measured.push(`${route} ${status}`) },
      streams,
    },
  ).register(app);
  const base = await app.listen({ host: "127.0.0.1", port: 0 });
  const ask = (path: string, given = token) =>
    fetch(`${base}${path}`, { headers: { authorization: `Bearer ${given}` } });
  await (await ask("/v1/nodes")).text();
  await (await ask("/v1/nodes", "wrong")).text();
  await (await ask("/v1/secret/path")).text();
  const stream = await ask("/v1/events");
  await (await ask("/v1/events")).text();
  for (const open of streams) open.close();
  await stream.text();
  await (await ask("/v1/status")).text();
  await reached(() => measured.includes("status.show 200"));
  assert.deepEqual(measured, [
    "nodes.list 200",
    "nodes.list 401",
    "unknown 404",
    "events.watch 200",
    "events.watch 429",
    "status.show 200",
  ]);
});
