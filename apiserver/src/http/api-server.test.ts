import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import test, { type TestContext } from "node:test";
import {
  ControlError,
  type ControlStore,
  encodeRecord,
  firstShard,
  type NodeRecord,
  nodeKey,
  noopLogger,
  OperatingError,
  ownerKey,
  shardKey,
} from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiServer, MAX_BODY_BYTES } from "./api-server.ts";
import { type ApiScene, apiScene } from "./testing/scene.ts";

type Json = { readonly [name: string]: unknown };

async function scene(
  t: TestContext,
  ...given: Parameters<typeof apiScene>
): Promise<
  ApiScene & {
    ask(
      method: string,
      path: string,
      options?: { body?: unknown; token?: string; headers?: { [name: string]: string } },
    ): Promise<{ status: number; body: Json; headers: Headers }>;
  }
> {
  const made = await apiScene(...given);
  t.after(() => made.close());
  return {
    ...made,
    ask: async (method, path, { body, token = made.token, headers = {} } = {}) => {
      const response = await fetch(`${made.addresses[0]}${path}`, {
        method,
        headers: {
          ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: text === "" ? {} : JSON.parse(text),
        headers: response.headers,
      };
    },
  };
}

const gameserver: NodeRecord = {
  role: "gameserver",
  labels: { zone: "eu" },
  capacity: { weight: 10, sessions: 0, memoryBytes: 0 },
  modules: ["./arena.js"],
  address: "127.0.0.1:2556",
  boot: "boot-1",
  fingerprint: "0".repeat(64),
  state: "ready",
  cordoned: false,
  leaseMs: 5000,
  registered: 1_700_000_000_000,
};

function putNode(store: ControlStore, node: string, changes: Partial<NodeRecord> = {}) {
  const value = encodeRecord("node", { ...gameserver, ...changes });
  return store.txn({ compare: [], then: [{ type: "put", key: nodeKey(node), value }] });
}

test("keys are put, read, listed in pages and deleted; revisions guard them", async (t) => {
  const { ask } = await scene(t);
  const put = await ask("PUT", "/v1/kv/item?key=motd", { body: { text: "hello", revision: 0 } });
  assert.equal(put.status, 200);
  const got = await ask("GET", "/v1/kv/item?key=motd");
  const { revision } = put.body;
  assert.deepEqual(got.body, {
    key: "motd",
    text: "hello",
    created: revision,
    modified: revision,
    version: 1,
  });
  const again = await ask("PUT", "/v1/kv/item?key=motd", { body: { text: "x", revision: 0 } });
  assert.deepEqual([again.status, again.body["code"]], [409, "conflict"]);
  const bytes = await ask("PUT", "/v1/kv/item?key=a/1", { body: { base64: "/wA=" } });
  assert.equal(bytes.status, 200);
  await ask("PUT", "/v1/kv/item?key=a/2", { body: { text: "" } });
  const first = await ask("GET", "/v1/kv?prefix=a/&limit=1");
  assert.deepEqual([first.body["more"], keysOf(first.body)], [true, ["a/1"]]);
  const second = await ask("GET", "/v1/kv?prefix=a/&after=a/1");
  assert.deepEqual([second.body["more"], keysOf(second.body)], [false, ["a/2"]]);
  const binary = await ask("GET", "/v1/kv/item?key=a/1");
  assert.equal(binary.body["base64"], "/wA=");
  const stale = await ask("DELETE", "/v1/kv/item?key=motd&revision=1");
  assert.equal(stale.status, 409);
  assert.equal((await ask("DELETE", `/v1/kv/item?key=motd&revision=${revision}`)).status, 200);
  assert.equal((await ask("DELETE", "/v1/kv/item?key=motd")).status, 404);
  assert.equal((await ask("GET", "/v1/kv/item?key=motd")).status, 404);
  const node = await ask("PUT", "/v1/kv/item?key=k&node=gs-1", { body: { text: "own" } });
  assert.equal(node.status, 200);
  assert.equal((await ask("GET", "/v1/kv/item?key=k")).status, 404);
});

test("a change that is sent twice with one key is applied once", async (t) => {
  const { ask } = await scene(t);
  const headers = { "idempotency-key": "once" };
  const body = { world: "arena", module: { source: "node", path: "./arena.js" } };
  const first = await ask("POST", "/v1/worlds", { body, headers });
  const second = await ask("POST", "/v1/worlds", { body, headers });
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.deepEqual(second.body, first.body);
  const third = await ask("POST", "/v1/worlds", { body });
  assert.deepEqual([third.status, third.body["code"]], [409, "conflict"]);
});

test("a key that was used for another request, or by somebody else, hides no change", async (t) => {
  const { ask } = await scene(t);
  const headers = { "idempotency-key": "once" };
  const put = (key: string, text: string) =>
    ask("PUT", `/v1/kv/item?key=${key}`, { body: { text }, headers });
  const first = await put("a", "1");
  assert.equal(first.status, 200);
  assert.deepEqual((await put("a", "1")).body, first.body);
  for (const [key, text] of [
    ["b", "1"],
    ["a", "2"],
  ] as const) {
    assert.equal((await put(key, text)).status, 200);
    assert.equal((await ask("GET", `/v1/kv/item?key=${key}`)).body["text"], text);
  }
  assert.equal((await ask("DELETE", "/v1/kv/item?key=a", { headers })).status, 200);
  assert.equal((await ask("GET", "/v1/kv/item?key=a")).status, 404);
});

test("what is wrong is refused with a code, a message and a fitting status", async (t) => {
  const { ask } = await scene(t);
  const cases: [Promise<{ status: number; body: Json }>, number, string, RegExp][] = [
    [ask("GET", "/v1/kv?prefx=a"), 400, "bad-request", /prefx/],
    [ask("GET", "/v1/kv?limit=0"), 400, "bad-request", /limit/],
    [ask("GET", "/v1/kv?prefix=a&prefix=b"), 400, "bad-request", /prefix/],
    [ask("GET", "/v1/kv/item?key="), 400, "bad-request", /key/],
    [ask("GET", "/v1/kv/item?key=a%0Ab"), 400, "bad-request", /control characters/],
    [ask("PUT", "/v1/kv/item?key=k", { body: {} }), 400, "bad-request", /text or base64/],
    [ask("PUT", "/v1/kv/item?key=k", { body: { text: "", x: 1 } }), 400, "bad-request", /x/],
    [ask("PUT", "/v1/kv/item?key=k", { body: "{" }), 400, "bad-request", /JSON/],
    [ask("PUT", "/v1/kv/item?key=k", { body: { base64: "?" } }), 400, "bad-request", /base64/],
    [ask("PUT", "/v1/kv/item?key=k"), 400, "bad-request", /body/],
    [ask("GET", "/v1/nodes/..%2Fkv"), 400, "bad-request", /id of a node/],
    [
      ask("PUT", "/v1/kv/item?key=k", { body: '{"text":"\\ud800"}' }),
      400,
      "bad-request",
      /surrogate/,
    ],
    [
      ask("PUT", "/v1/kv/item?key=k", {
        body: "x",
        headers: { "content-type": "application/octet-stream" },
      }),
      400,
      "bad-request",
      /not JSON/,
    ],
    [ask("GET", "/v1/nodes/%ZZ"), 400, "bad-request", /%ZZ/],
    [ask("GET", `/v1/nodes/${"a".repeat(301)}`), 400, "bad-request", /aaaa/],
    [
      ask("GET", "/v1/status", { headers: { "x-much": "y".repeat(20_000) } }),
      400,
      "bad-request",
      /Header/,
    ],
    [
      ask("DELETE", "/v1/kv/item?key=k", { headers: { "content-type": "application/json" } }),
      404,
      "not-found",
      /no key k/,
    ],
    [ask("GET", "/v1/nothing"), 404, "not-found", /GET \/v1\/nothing/],
    [ask("DELETE", "/v1/kv"), 404, "not-found", /DELETE/],
    [ask("GET", "/v1/nodes/gs-9"), 404, "not-found", /gs-9/],
    [
      ask("PUT", "/v1/kv/item?key=k", { body: { text: "x".repeat(MAX_BODY_BYTES) } }),
      413,
      "too-large",
      /large/,
    ],
    [
      ask("PUT", "/v1/kv/item?key=k", { body: { text: "x".repeat(300_000) } }),
      413,
      "too-large",
      /262144/,
    ],
    [
      ask("POST", "/v1/worlds", { body: { world: "a", module: { source: "moon" } } }),
      400,
      "bad-request",
      /source/,
    ],
    [ask("GET", "/v1/backup"), 501, "not-available", /backup/],
    [ask("PUT", "/v1/log-level", { body: { level: "debug" } }), 501, "not-available", /log/],
    [
      ask("PUT", "/v1/kv/item?key=k", {
        body: { text: "" },
        headers: { "idempotency-key": "i".repeat(65) },
      }),
      400,
      "bad-request",
      /idempotency-key/,
    ],
  ];
  for (const [asked, status, code, message] of cases) {
    const answer = await asked;
    assert.deepEqual([answer.status, answer.body["code"]], [status, code], `${message}`);
    assert.match(String(answer.body["message"]), message);
    assert.match(String(answer.body["hint"]), /\S/, "it says what to do");
  }
});

test("without a quorum the answer is 503, with what to do", async (t) => {
  const store: ControlStore = {
    range: () => Promise.reject(lost()),
    txn: () => Promise.reject(lost()),
    watch: () => ({ close: () => undefined }),
    leader: () => undefined,
  };
  const lost = () => new ControlError("no-quorum", "no apiserver leads", { hint: "Start two." });
  const { ask } = await scene(t, {}, { store });
  const read = await ask("GET", "/v1/nodes");
  assert.equal(read.status, 503);
  assert.deepEqual(read.body, {
    code: "no-quorum",
    message: "no apiserver leads",
    hint: "Start two.",
  });
  const write = await ask("PUT", "/v1/kv/item?key=k", { body: { text: "" } });
  assert.equal(write.status, 503);
});

test("a fault of ours says nothing of it to the client", async (t) => {
  const errors: unknown[] = [];
  const store: ControlStore = {
    range: () => Promise.reject(new Error("secret detail")),
    txn: () => Promise.reject(new ControlError("no-quorum", "none")),
    watch: () => ({ close: () => undefined }),
    leader: () => undefined,
  };
  const logger = {
    ...noopLogger,
    error: (_message: string, facts: { error?: unknown } = {}) => void errors.push(facts.error),
  };
  const { ask } = await scene(t, {}, { store, logger });
  const { status, body } = await ask("GET", "/v1/nodes");
  assert.deepEqual([status, body["code"]], [500, "internal"]);
  assert.doesNotMatch(JSON.stringify(body), /secret/);
  assert.match(String(errors[0]), /secret detail/);
});

test("tokens: none, wrong ones, roles, expiry, revoking; changes are in the audit log", async (t) => {
  const lines: unknown[] = [];
  const logger = {
    ...noopLogger,
    child: () => ({
      ...noopLogger,
      info: (_message: string, facts?: object) => void lines.push(facts),
    }),
  };
  const { ask, token } = await scene(t, {}, { logger });
  const status = async (given: string) => (await ask("GET", "/v1/kv", { token: given })).status;
  assert.equal(await status(""), 401);
  assert.equal(await status("nonsense"), 401);
  assert.equal(await status(`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`), 401);
  assert.equal(await status(token), 200);
  const make = async (role: string, ttlSeconds?: number) => {
    const { body } = await ask("POST", "/v1/tokens", { body: { name: role, role, ttlSeconds } });
    return { id: String(body["id"]), token: String(body["token"]) };
  };
  const reader = await make("read");
  const operator = await make("operate");
  const put = (as: string) =>
    ask("PUT", "/v1/kv/item?key=k", { body: { text: "topsecret" }, token: as });
  assert.equal((await ask("GET", "/v1/whoami", { token: reader.token })).body["role"], "read");
  assert.deepEqual((await put(reader.token)).body["code"], "forbidden");
  assert.equal((await put(operator.token)).status, 200);
  const admin = await ask("GET", "/v1/tokens", { token: operator.token });
  assert.equal(admin.status, 403);
  const raw = await ask("POST", "/v1/store/range", { body: { prefix: "" }, token: operator.token });
  assert.equal(raw.status, 403);
  assert.equal((await ask("DELETE", `/v1/tokens/${reader.id}`)).status, 200);
  assert.equal(await status(reader.token), 401);
  const listed = await ask("GET", "/v1/tokens");
  assert.doesNotMatch(JSON.stringify(listed.body), /hash/);
  const { entries } = (await ask("GET", "/v1/audit")).body;
  assert.ok(Array.isArray(entries));
  assert.deepEqual(
    entries.map(({ what, result, who, target }) => [what, result, who, target.key ?? target.role]),
    [
      ["tokens.remove", "ok", "admin of api-1", undefined],
      ["kv.put", "ok", "operate", "k"],
      ["kv.put", "forbidden", "read", "k"],
      ["tokens.create", "ok", "admin of api-1", "operate"],
      ["tokens.create", "ok", "admin of api-1", "read"],
    ],
  );
  assert.equal(lines.length, entries.length);
  assert.doesNotMatch(JSON.stringify([entries, lines]), /topsecret/);
});

test("a token that has expired is refused", async (t) => {
  let ahead = 0;
  const clock = {
    now: () => systemClock.now(),
    wallTime: () => systemClock.wallTime() + ahead,
    setTimer: (ms: number, fn: () => void) => systemClock.setTimer(ms, fn),
  };
  const { ask } = await scene(t, {}, { clock });
  const body = { name: "short", role: "read", ttlSeconds: 60 };
  const token = String((await ask("POST", "/v1/tokens", { body })).body["token"]);
  assert.equal((await ask("GET", "/v1/kv", { token })).status, 200);
  ahead = 60_000;
  const late = await ask("GET", "/v1/kv", { token });
  assert.equal(late.status, 401);
  assert.match(String(late.body["message"]), /expired/);
});

test("the administrator's token is made once, for this user only, and is good elsewhere", async (t) => {
  const made = await scene(t, { count: 1 });
  const { tokenFile, token, store } = made;
  if (process.platform !== "win32") assert.equal((await stat(tokenFile)).mode & 0o777, 0o600);
  const other = await scene(t, {}, { store });
  assert.notEqual(other.token, token);
  // The other server's store is the same one: there it stands by its hash.
  assert.equal((await other.ask("GET", "/v1/kv", { token })).status, 200);
  await made.servers[0]?.stop();
  const again = new ApiServer(
    { node: "api-1", host: "127.0.0.1", port: 0, adminTokenFile: tokenFile },
    { store, clock: systemClock, random: systemRandom, logger: noopLogger },
  );
  await again.start();
  await again.stop();
  assert.equal((await readFile(tokenFile, "utf8")).trim(), token);
});

test("nodes are shown, cordoned and, once they are gone, forgotten", async (t) => {
  const { ask, store } = await scene(t);
  await putNode(store, "gs-1");
  await putNode(store, "gs-2", { state: "lost" });
  const { nodes } = (await ask("GET", "/v1/nodes")).body;
  assert.ok(Array.isArray(nodes));
  assert.deepEqual(
    nodes.map(({ node, state, registered }) => [node, state, registered]),
    [
      ["gs-1", "ready", "2023-11-14T22:13:20.000Z"],
      ["gs-2", "lost", "2023-11-14T22:13:20.000Z"],
    ],
  );
  assert.equal((await ask("POST", "/v1/nodes/gs-1/cordon")).status, 200);
  assert.equal((await ask("GET", "/v1/nodes/gs-1")).body["cordoned"], true);
  await ask("POST", "/v1/nodes/gs-1/uncordon");
  assert.equal((await ask("GET", "/v1/nodes/gs-1")).body["cordoned"], false);
  const alive = await ask("DELETE", "/v1/nodes/gs-1");
  assert.deepEqual([alive.status, alive.body["code"]], [409, "conflict"]);
  const headers = { "idempotency-key": "forget" };
  assert.equal((await ask("DELETE", "/v1/nodes/gs-2", { headers })).status, 200);
  assert.equal((await ask("DELETE", "/v1/nodes/gs-2", { headers })).status, 200, "a retry");
  assert.equal((await ask("DELETE", "/v1/nodes/gs-2")).status, 404);
  assert.equal((await ask("POST", "/v1/nodes/gs-9/cordon")).status, 404);
});

test("what a restore brought back of a node is not changed: the answer says what to wait for", async (t) => {
  const { ask, store } = await scene(t);
  await putNode(store, "gs-1", { state: "draining" });
  const { items } = await store.range({ key: nodeKey("gs-1") });
  await store.administer({ type: "restore-begin", restore: "r" });
  await store.administer({ type: "restore-part", restore: "r", part: 0, items });
  await store.administer({ type: "restore-end", restore: "r", parts: 1 });
  for (const change of ["cordon", "uncordon", "drain", "undrain"]) {
    const { status, body } = await ask("POST", `/v1/nodes/gs-1/${change}`);
    assert.deepEqual([status, body["code"]], [409, "conflict"], change);
    assert.match(JSON.stringify(body), /has not registered since.*Wait until it has/);
  }
  await putNode(store, "gs-1");
  assert.equal((await ask("POST", "/v1/nodes/gs-1/cordon")).status, 200);
});

test("worlds are created with defaults, shown and removed; their placement says why", async (t) => {
  const { ask, store } = await scene(t);
  const module = { source: "node", path: "./arena.js" };
  const create = (body: Json) => ask("POST", "/v1/worlds", { body });
  assert.equal((await create({ world: "arena", module })).status, 201);
  const shown = await ask("GET", "/v1/worlds/arena");
  assert.deepEqual(
    { ...shown.body, modified: 0 },
    {
      world: "arena",
      module,
      config: null,
      durability: "journal",
      graceSeconds: 30,
      sleepAfterSeconds: 0,
      labels: {},
      constraints: { nodeLabels: {}, nodes: [] },
      policy: "spread",
      weight: 1,
      failover: "manual",
      enabled: true,
      modified: 0,
    },
  );
  const placed = async (world: string) => {
    const { placements } = (await ask("GET", `/v1/placements/${world}`)).body;
    assert.ok(Array.isArray(placements));
    return placements[0];
  };
  assert.match(String((await placed("arena")).why), /No gameserver is registered/);
  await putNode(store, "gs-1", { cordoned: true });
  await putNode(store, "gs-2", { modules: [] });
  assert.deepEqual((await placed("arena")).why, [
    "gs-1: it is cordoned.",
    "gs-2: it has not the module ./arena.js.",
  ]);
  const constraints = { nodeLabels: { zone: "us" } };
  await create({ world: "far", module, constraints });
  await putNode(store, "gs-1");
  assert.match(String((await placed("far")).why), /gs-1: it has not the label zone=us/);
  assert.match(String((await placed("arena")).why), /gs-1 fits/);
  await create({ world: "off", module, enabled: false });
  assert.equal((await placed("off")).state, "disabled");
  const shard = firstShard("arena");
  const wanted = encodeRecord("shard", { wanted: "gs-1", reason: "placed" });
  await store.txn({ compare: [], then: [{ type: "put", key: shardKey(shard), value: wanted }] });
  assert.deepEqual(
    [(await placed("arena")).state, (await placed("arena")).wanted],
    ["wanted", "gs-1"],
  );
  const [item] = (await store.range({ key: "worlds/arena" })).items;
  const owner = encodeRecord("owner", {
    world: item?.created ?? 0,
    node: "gs-1",
    boot: "boot-1",
    state: "owned",
  });
  const { revision: epoch } = await store.txn({
    compare: [],
    then: [{ type: "put", key: ownerKey(shard), value: owner }],
  });
  const owned = await placed("arena");
  assert.deepEqual([owned.state, owned.owner.node, owned.owner.epoch], ["owned", "gs-1", epoch]);
  const { placements, more } = (await ask("GET", "/v1/placements?limit=2")).body;
  assert.ok(Array.isArray(placements));
  assert.deepEqual([placements.map(({ world }) => world), more], [["arena", "far"], true]);
  assert.equal((await ask("DELETE", "/v1/worlds/arena")).status, 200);
  assert.equal((await ask("DELETE", "/v1/worlds/arena")).status, 404);
});

test("status, backup, restore and log level go to the ports", async (t) => {
  let level: string = "info";
  const restored: string[] = [];
  const { ask, addresses, token } = await scene(
    t,
    {},
    {
      cluster: { members: () => [{ node: "api-1", voter: true, reachable: true }] },
      logLevel: {
        get: () => "info",
        set: (given) => {
          level = given;
        },
      },
      backup: {
        save: async () =>
          (async function* () {
            yield Buffer.from("part 1, ");
            yield Buffer.from("part 2");
          })(),
        restore: async (bytes) => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of bytes) chunks.push(chunk);
          restored.push(Buffer.concat(chunks).toString());
          return { revision: 7 };
        },
      },
    },
  );
  const status = (await ask("GET", "/v1/status")).body;
  assert.deepEqual(status["leader"], { node: "local", term: 1 });
  assert.deepEqual(status["members"], [{ node: "api-1", voter: true, reachable: true }]);
  assert.deepEqual((await ask("PUT", "/v1/log-level", { body: { level: "debug" } })).body, {
    level: "debug",
  });
  assert.equal(level, "debug");
  const authorization = `Bearer ${token}`;
  const saved = await fetch(`${addresses[0]}/v1/backup`, { headers: { authorization } });
  assert.equal(await saved.text(), "part 1, part 2");
  const sent = await fetch(`${addresses[0]}/v1/restore`, {
    method: "POST",
    headers: { authorization, "content-type": "application/octet-stream" },
    body: "x".repeat(MAX_BODY_BYTES + 1),
  });
  assert.deepEqual(await sent.json(), { revision: 7 });
  assert.equal(restored[0]?.length, MAX_BODY_BYTES + 1, "no bound of JSON bodies");
  const json = await ask("POST", "/v1/restore", { body: {} });
  assert.equal(json.status, 400);
});

test("without TLS only this machine is served", async () => {
  const server = new ApiServer(
    { node: "a", host: "0.0.0.0", port: 0, adminTokenFile: "unused" },
    {
      store: {
        range: () => Promise.reject(new Error("unused")),
        txn: () => Promise.reject(new Error("unused")),
        watch: () => ({ close: () => undefined }),
        leader: () => undefined,
      },
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
    },
  );
  await assert.rejects(
    server.start(),
    (error) => error instanceof OperatingError && error.code === "needs-tls",
  );
  await server.stop();
});

function keysOf(body: Json): unknown[] {
  const { items } = body;
  return Array.isArray(items) ? items.map(({ key }) => key) : [];
}
