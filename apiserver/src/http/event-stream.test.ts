import assert from "node:assert/strict";
import { connect } from "node:net";
import test, { type TestContext } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { EventParser } from "../client/event-parser.ts";
import { type ApiScene, apiScene } from "./testing/scene.ts";

async function scene(t: TestContext, maxStreams?: number): Promise<ApiScene> {
  const made = await apiScene(maxStreams === undefined ? {} : { maxStreams });
  t.after(() => made.close());
  return made;
}

function put({ store }: ApiScene, key: string, bytes = 1) {
  const value = new Uint8Array(bytes).fill(65);
  return store.txn({ compare: [], then: [{ type: "put", key, value }] });
}

/** The events of a stream, one by one. */
async function open({ addresses, token }: ApiScene, path: string, headers = {}) {
  const abort = new AbortController();
  const response = await fetch(`${addresses[0]}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: abort.signal,
  });
  const parser = new EventParser();
  const waiting: { event: string; data: string }[] = [];
  // A refusal is read by whoever asked.
  const reader = response.ok ? response.body?.getReader() : undefined;
  const next = async () => {
    for (;;) {
      const event = waiting.shift();
      if (event !== undefined) return { event: event.event, data: JSON.parse(event.data) };
      const read = await reader?.read();
      if (read === undefined || read.done) return undefined;
      waiting.push(...parser.push(new TextDecoder().decode(read.value)));
    }
  };
  return { response, next, close: () => abort.abort() };
}

test("a stream says where it begins, what changes, and goes on behind the last event", async (t) => {
  const s = await scene(t);
  const first = await open(s, "/v1/kv/watch?prefix=w/");
  assert.equal(first.response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const began = await first.next();
  assert.equal(began?.event, "began");
  const { revision } = await put(s, "kv/cluster/w/1");
  const changed = await first.next();
  assert.equal(changed?.event, "changed");
  assert.equal(changed?.data.revision, revision);
  assert.deepEqual(changed?.data.changes, [
    {
      type: "put",
      item: { key: "w/1", text: "A", created: revision, modified: revision, version: 1 },
    },
  ]);
  first.close();
  await put(s, "kv/cluster/w/2");
  const resumed = await open(s, "/v1/kv/watch?prefix=w/", { "last-event-id": String(revision) });
  assert.deepEqual((await resumed.next())?.data, { revision });
  assert.deepEqual(
    (await resumed.next())?.data.changes.map(
      (change: { item: { key: string } }) => change.item.key,
    ),
    ["w/2"],
  );
  s.store.forgetHistory();
  const late = await open(s, `/v1/kv/watch?prefix=w/&after=${revision}`);
  await late.next();
  assert.equal((await late.next())?.event, "compacted");
  assert.equal(await late.next(), undefined, "and that was the last");
  resumed.close();
});

test("more streams than allowed are refused with 429; one that ends makes room", async (t) => {
  const s = await scene(t, 2);
  const one = await open(s, "/v1/kv/watch?prefix=");
  const two = await open(s, "/v1/events");
  const three = await open(s, "/v1/kv/watch?prefix=");
  assert.equal(three.response.status, 429);
  assert.equal(JSON.parse(await three.response.text()).code, "too-many-watches");
  one.close();
  await reached(() => s.store.figures.watches === 1);
  const four = await open(s, "/v1/kv/watch?prefix=");
  assert.equal(four.response.status, 200);
  two.close();
  four.close();
  await reached(() => s.store.figures.watches === 0);
});

test("a reader that does not read is cut off", async (t) => {
  const s = await scene(t);
  const port = Number(new URL(s.addresses[0] ?? "").port);
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.write(
    `GET /v1/store/watch?prefix=big/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${s.token}\r\n\r\n`,
  );
  socket.pause();
  await reached(() => s.store.figures.watches === 1);
  for (let i = 0; i < 200 && s.store.figures.watches === 1; i++)
    await put(s, `big/${i}`, 256 * 1024);
  assert.equal(s.store.figures.watches, 0);
});

test("streams end when the server drains", async (t) => {
  const s = await scene(t);
  const stream = await open(s, "/v1/events");
  await stream.next();
  await s.servers[0]?.drain();
  assert.equal(await stream.next(), undefined);
});

test("a stream asked for wrongly is refused before it begins", async (t) => {
  const s = await scene(t);
  for (const path of ["/v1/kv/watch", "/v1/kv/watch?key=a&prefix=b", "/v1/events?after=x"]) {
    const { response } = await open(s, path);
    assert.equal(response.status, 400, path);
  }
  const bad = await open(s, "/v1/events", { "last-event-id": "x" });
  assert.equal(bad.response.status, 400);
});

test("a revision that is yet to come is refused, instead of a stream that says nothing", async (t) => {
  const s = await scene(t);
  const { revision } = await put(s, "kv/cluster/w/1");
  const ahead = String(revision + 1);
  const refused = async (path: string, headers = {}) => {
    const { response } = await open(s, path, headers);
    const { code, message, hint } = Object(await response.json());
    assert.deepEqual([response.status, code], [400, "bad-request"], path);
    assert.match(message, new RegExp(`${ahead} is yet to come: the store is at ${revision}`));
    assert.match(hint, /leave it out/);
  };
  for (const path of ["/v1/events?", "/v1/kv/watch?prefix=w/&", "/v1/store/watch?prefix=&"])
    await refused(`${path}after=${ahead}`);
  await refused("/v1/events", { "last-event-id": ahead });
  const present = await open(s, `/v1/events?after=${revision}`);
  assert.equal((await present.next())?.event, "began");
  present.close();
});
