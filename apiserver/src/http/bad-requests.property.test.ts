import assert from "node:assert/strict";
import test from "node:test";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { share } from "@atlasnet/core/testing";
import fc from "fast-check";
import { errorAnswer } from "./api-error.ts";
import { AuditLog } from "./audit.ts";
import type { Route } from "./route.ts";
import { allRoutes } from "./routes/all-routes.ts";
import { apiScene } from "./testing/scene.ts";

/** Fields that routes have, so that chance gets beyond "unknown field". */
const FIELDS = [
  "key",
  "prefix",
  "after",
  "limit",
  "node",
  "world",
  "module",
  "text",
  "base64",
  "revision",
  "compare",
  "then",
  "id",
  "name",
  "role",
  "level",
  "config",
  "labels",
];

const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("a", "1", "", "QQ==", "read", "gs-1", "0".repeat(16)) },
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    { source: "node", path: "m" },
    { source: "store", name: "m", version: "1.0.0", digest: "0".repeat(64) },
    [{ type: "put", key: "k", value: "QQ==" }],
    [{ type: "delete", prefix: "k" }],
    [{ type: "term", term: 1 }],
  ),
);
const fields = fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 4 });
const texts = fc.dictionary(
  fc.constantFrom(...FIELDS),
  fc.string({ unit: "binary", maxLength: 20 }),
  {
    maxKeys: 3,
  },
);

test("whatever is asked, the answer is one or a refusal with a code, never a fault of ours", async (t) => {
  const scene = await apiScene();
  t.after(() => scene.close());
  const routes = allRoutes({
    node: "api-1",
    store: scene.store,
    clock: systemClock,
    random: systemRandom,
    logger: noopLogger,
    audit: new AuditLog({ logger: noopLogger, clock: systemClock }),
    cluster: undefined,
    placement: undefined,
    raft: undefined,
    backup: undefined,
    logLevel: undefined,
  }).filter((route): route is Extract<Route, { kind: "json" | "events" }> =>
    ["json", "events"].includes(route.kind),
  );
  const counts = { answered: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...routes),
      texts,
      texts,
      fc.option(fields, { nil: undefined }),
      async (route, params, query, body) => {
        const own = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
        const named = Object.fromEntries(own.map((name) => [name, params[name] ?? "gs-1"]));
        const input = { params: named, query, body: route.body === undefined ? undefined : body };
        try {
          await route.run(input, { caller: undefined, from: "127.0.0.1", id: undefined });
          counts.answered += 1;
        } catch (error) {
          const answer = errorAnswer(error);
          assert.ok(answer !== undefined && answer.status !== 500, String(error));
          counts.refused += 1;
        }
      },
    ),
    { numRuns: share(1500) },
  );
  assert.ok(counts.answered > share(50) && counts.refused > share(50), JSON.stringify(counts));
});
