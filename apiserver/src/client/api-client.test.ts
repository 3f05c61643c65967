import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import test, { type TestContext } from "node:test";
import { ControlError, OperatingError } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { follow } from "@atlasnet/core/testing";
import { createTestCa } from "@atlasnet/identity/testing";
import { apiScene } from "../http/testing/scene.ts";
import { parseApiAddresses } from "./address.ts";
import { ApiClient, HEDGE_MS } from "./api-client.ts";
import { ControlClient } from "./control-client.ts";

async function scene(t: TestContext, ...given: Parameters<typeof apiScene>) {
  const made = await apiScene(...given);
  t.after(() => made.close());
  return made;
}

/** A server that answers as it is told. */
async function fake(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}`;
}

function put(key: string) {
  return {
    compare: [],
    then: [{ type: "put", key, value: new TextEncoder().encode(key) }],
  } as const;
}

test("a watch goes on at another apiserver, without a gap", async (t) => {
  const s = await scene(t, { count: 2 });
  const store = new ControlClient({ client: s.client() });
  const watch = follow(store, { prefix: "w/" });
  // It has begun once it tells something.
  let told = false;
  const begun = watch
    .until(() => watch.changes.length > 0)
    .then(() => {
      told = true;
    });
  for (let i = 0; !told; i++) {
    await s.store.txn(put(`w/begin/${i}`));
    await Promise.race([begun, store.range({ key: "w/begin" })]);
  }
  await s.servers[0]?.stop();
  const keys = Array.from({ length: 20 }, (_, i) => `w/${i}`);
  for (const key of keys) await s.store.txn(put(key));
  const { revision } = await store.txn(put("w/last"));
  await watch.until(() => watch.revision >= revision);
  for (const key of [...keys, "w/last"]) assert.ok(watch.state.has(key), key);
  assert.deepEqual(watch.problems, []);
  watch.close();
});

test("a transaction whose answer was lost is sent again with its id, and applied once", async (t) => {
  const s = await scene(t);
  const ids: unknown[] = [];
  // Hands the request on, and loses the answer.
  const lossy = await fake(t, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    ids.push(request.headers["idempotency-key"]);
    await fetch(`${s.addresses[0]}${request.url}`, {
      method: request.method ?? "POST",
      headers: {
        authorization: `Bearer ${s.token}`,
        "content-type": "application/json",
        "idempotency-key": String(request.headers["idempotency-key"]),
      },
      body: Buffer.concat(chunks),
    });
    response.socket?.destroy();
  });
  const client = s.client({ addresses: [lossy, ...s.addresses] });
  const { succeeded } = await new ControlClient({ client }).txn({
    compare: [{ type: "modified", key: "k", is: "equal", revision: 0 }],
    then: put("k").then,
  });
  assert.equal(succeeded, true, "the second try got the first one's answer");
  assert.equal(ids.length, 1);
  assert.equal((await s.store.range({ key: "k" })).items[0]?.version, 1);
});

test("a change without an id is not sent twice", async (t) => {
  let asked = 0;
  const broken = await fake(t, (_request, response) => {
    asked += 1;
    response.socket?.destroy();
  });
  const s = await scene(t);
  const client = s.client({ addresses: [broken, ...s.addresses] });
  const body = { name: "x", role: "read" };
  await assert.rejects(
    client.request({ method: "POST", path: "/v1/tokens", body }),
    (error) => error instanceof ControlError && error.code === "unreachable",
  );
  assert.equal(asked, 1);
});

/** What sockets have to say at once. */
const settle = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

/** Takes requests, and never says a word, like a process that was stopped. */
async function silent(t: TestContext) {
  let asked = 0;
  const waiting = new Set<() => void>();
  const address = await fake(t, () => {
    asked += 1;
    for (const each of waiting) each();
  });
  const heard = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (asked >= count) resolve();
      };
      waiting.add(look);
      look();
    });
  return { address, heard };
}

test("an apiserver that stands still is not waited for: the next one is asked as well, with the same id, and first from then on", async (t) => {
  const s = await scene(t);
  const { address, heard } = await silent(t);
  const clock = new SimClock();
  const client = new ApiClient(
    // Nothing is tried again: only who is asked beside it can answer.
    { addresses: [address, ...s.addresses], token: s.token, retryMs: 0 },
    { clock, random: systemRandom },
  );
  t.after(() => client.close());
  const body = { world: "arena", module: { source: "node", path: "./arena.js" } };
  const created = client.request({ method: "POST", path: "/v1/worlds", body, id: "one" });
  await heard(1);
  await clock.elapse(HEDGE_MS, settle);
  await created;
  // No time passes here: whoever stands still would not be answered.
  const listed = await client.request({ method: "GET", path: "/v1/worlds" });
  assert.match(JSON.stringify(listed), /"arena"/);
});

test("what may not be sent twice waits for its answer, and is asked of nobody else", async (t) => {
  const { address, heard } = await silent(t);
  let asked = 0;
  const other = await fake(t, (_request, response) => {
    asked += 1;
    response.end("{}");
  });
  const clock = new SimClock();
  const client = new ApiClient({ addresses: [address, other] }, { clock, random: systemRandom });
  t.after(() => client.close());
  const gone = assert.rejects(client.request({ method: "POST", path: "/v1/tokens", body: {} }), {
    code: "unreachable",
  });
  await heard(1);
  await clock.elapse(HEDGE_MS, settle);
  await clock.elapse(10 * HEDGE_MS, settle);
  await gone;
  assert.equal(asked, 0);
});

test("without a quorum it is tried elsewhere; what is decided is not", async (t) => {
  const s = await scene(t);
  let asked = 0;
  const lost = await fake(t, (_request, response) => {
    asked += 1;
    response.writeHead(503, { "content-type": "application/json" });
    response.end('{"code":"no-quorum","message":"nobody leads","hint":"Wait."}');
  });
  const both = s.client({ addresses: [lost, ...s.addresses] });
  await both.request({ method: "GET", path: "/v1/nodes" });
  await both.request({ method: "GET", path: "/v1/nodes" });
  assert.equal(asked, 1, "the one that answered is asked first from then on");
  const only = s.client({ addresses: [lost], retryMs: 50 });
  await assert.rejects(
    only.request({ method: "GET", path: "/v1/nodes" }),
    (error) =>
      error instanceof ControlError && error.code === "no-quorum" && error.hint === "Wait.",
  );
  assert.ok(asked > 2);
  const wrong = s.client({ token: "wrong" });
  await assert.rejects(
    new ControlClient({ client: wrong }).range({ prefix: "" }),
    (error) => error instanceof ControlError && error.code === "unauthorized",
  );
});

test("a watch with a wrong token fails; one that nobody answers goes on trying", async (t) => {
  const s = await scene(t);
  const wrong = new ControlClient({ client: s.client({ token: "wrong" }) });
  const watch = follow(wrong, { prefix: "" });
  await watch.until(() => watch.end !== undefined);
  assert.ok(watch.end?.error instanceof ControlError);
  assert.equal(watch.end.error.code, "unauthorized");
  let asked = 0;
  const broken = await fake(t, (_request, response) => {
    asked += 1;
    response.socket?.destroy();
  });
  const client = s.client({ addresses: [broken, ...s.addresses] });
  const later = follow(new ControlClient({ client }), { prefix: "", after: 0 });
  const { revision } = await s.store.txn(put("k"));
  await later.until(() => later.revision >= revision);
  assert.ok(asked >= 1);
  later.close();
});

test("what answers and is no apiserver is told so", async (t) => {
  const page = await fake(t, (_request, response) => response.end("<html>"));
  const client = new ApiClient(
    { addresses: [page], retryMs: 0 },
    { clock: systemClock, random: systemRandom },
  );
  t.after(() => client.close());
  await assert.rejects(
    client.request({ method: "GET", path: "/v1/nodes" }),
    (error) => error instanceof ControlError && error.code === "unreachable",
  );
});

test("over TLS an apiserver of the cluster is believed, and no other node", async (t) => {
  const ca = await createTestCa();
  const tlsOf = async (role: "apiserver" | "gameserver") => {
    const { certificate, privateKey } = await ca.issue({ role, node: "n-1" });
    return { cert: certificate, key: privateKey };
  };
  const good = await scene(t, { tls: await tlsOf("apiserver") });
  await good.client({ ca: ca.authorities }).request({ method: "GET", path: "/v1/status" });
  const asked = (client: ApiClient) => client.request({ method: "GET", path: "/v1/status" });
  const unreachable = (error: unknown) =>
    error instanceof ControlError && error.code === "unreachable";
  await assert.rejects(asked(good.client({ retryMs: 0 })), unreachable, "not in the system's list");
  const other = await scene(t, { tls: await tlsOf("gameserver") });
  await assert.rejects(asked(other.client({ ca: ca.authorities, retryMs: 0 })), unreachable);
});

test("addresses are whole URLs without paths", () => {
  const texts = ["http://a:1, https://[::1]:2/", "http://b"];
  assert.deepEqual(
    parseApiAddresses(texts).map(({ host }) => host),
    ["a:1", "[::1]:2", "b"],
  );
  for (const bad of ["", "a:1", "ftp://a", "http://a/v1", "http://u:p@a", "http://a?x", "http://"])
    assert.throws(
      () => parseApiAddresses([bad]),
      (error) => error instanceof OperatingError && error.code === "bad-address",
      bad,
    );
});
