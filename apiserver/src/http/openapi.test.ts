import assert from "node:assert/strict";
import test from "node:test";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import fastify from "fastify";
import { AuditLog } from "./audit.ts";
import { apiMetrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { DOCUMENT_PATH, RequestHandler } from "./request-handler.ts";
import { allRoutes } from "./routes/all-routes.ts";
import { apiScene } from "./testing/scene.ts";
import { TokenVerifier } from "./tokens.ts";

const store = {
  range: () => Promise.reject(new Error("nobody reads in these tests")),
  txn: () => Promise.reject(new Error("nobody writes in these tests")),
  watch: () => ({ close: () => undefined }),
  leader: () => undefined,
};
const audit = new AuditLog({ logger: noopLogger, clock: systemClock });
const routes = allRoutes({
  node: "api-1",
  store,
  clock: systemClock,
  random: systemRandom,
  logger: noopLogger,
  audit,
  cluster: undefined,
  placement: undefined,
  raft: undefined,
  backup: undefined,
  logLevel: undefined,
});

test("the document and the server have the same routes", async () => {
  const app = fastify();
  const served: string[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    served.push(`${String(method)} ${url.replaceAll(/:(\w+)/g, "{$1}")}`);
  });
  new RequestHandler(
    { routes, maxStreams: 1 },
    {
      store,
      clock: systemClock,
      logger: noopLogger,
      audit,
      tokens: new TokenVerifier({ local: new Map() }, { store, wallTime: () => 0 }),
      metrics: apiMetrics(undefined, () => 0),
      streams: new Set(),
    },
  ).register(app);
  await app.ready();
  const document = JSON.parse(JSON.stringify(openApiDocument(routes, "1.0.0")));
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const heads = served.filter((route) => !route.startsWith("HEAD "));
  assert.deepEqual(
    heads.filter((route) => route !== `GET ${DOCUMENT_PATH}`).sort(),
    documented.sort(),
  );
  await app.close();
});

test("operations have names of their own; parameters of paths are all documented", () => {
  const names = routes.map(({ name, method, path }) => `${name} ${method} ${path}`);
  assert.equal(new Set(routes.map(({ name }) => name)).size, routes.length, names.join("\n"));
  const document = JSON.parse(JSON.stringify(openApiDocument(routes, "1.0.0")));
  for (const { path, method, changes, role } of routes) {
    const { parameters = [], security } = document.paths[path][method.toLowerCase()];
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const documented = parameters.flatMap((parameter: { in: string; name: string }) =>
      parameter.in === "path" ? [parameter.name] : [],
    );
    assert.deepEqual(documented, inPath, path);
    // What anyone may ask has an audit of its own.
    const isOpen = role === "anyone";
    assert.equal(changes, method !== "GET" && path !== "/v1/store/range" && !isOpen, path);
    assert.deepEqual(security, isOpen ? [] : [{ token: [] }]);
  }
});

test("the document is served to anyone, with bounds from the schemas", async (t) => {
  const scene = await apiScene();
  t.after(() => scene.close());
  const response = await fetch(`${scene.addresses[0]}${DOCUMENT_PATH}`);
  assert.equal(response.status, 200);
  const document = JSON.parse(await response.text());
  assert.equal(document.openapi, "3.1.0");
  const { schema } = document.paths["/v1/worlds"].post.requestBody.content["application/json"];
  assert.deepEqual(schema.required, ["world", "module"]);
  assert.equal(schema.additionalProperties, false);
  assert.equal(schema.properties.weight.minimum, 1);
});
