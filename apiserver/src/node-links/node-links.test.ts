import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AskedCalls,
  type CallAnswer,
  CONTROL_CALLS_VERSION,
  CONTROL_CHANNEL,
  ControlError,
  decodeRefusal,
  helloRequest,
  InProcessNetwork,
  type Link,
  LONG_POLL_MS,
  MAX_NODE_WATCHES,
  NODES_GROUP,
  type NodeLoad,
  nothing,
  type Peer,
  type RenewalAnswer,
  rangeRequest,
  renewalRequest,
  txnAnswer,
  txnRequest,
  watchAnswer,
  watchName,
  watchNews,
  watchRequest,
} from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { METHODS } from "./node-calls.ts";
import { MAX_NODE_CALLS } from "./node-links.ts";
import { API_1, NodeScene, type NodeSceneOptions } from "./testing/node-scene.ts";

const GS: Peer = { role: "gameserver", node: "gs-1" };
const NO_BYTES = new Uint8Array(0);
const load: NodeLoad = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

/** A node that asks what it likes. */
async function rawNode(options: Partial<NodeSceneOptions> = {}) {
  const clock = new SimClock();
  const random = new SeededRandom("raw");
  const network = new SimNetwork({}, { clock, random });
  const scene = await NodeScene.create({ clock, network, seed: "raw", ...options });
  const run = <T>(work: Promise<T>) => clock.drive(work, settle);
  const connect = async (peer: Peer = GS) => {
    const link: Link = await run(network.node(peer).connect(API_1));
    const channel = link.channel(CONTROL_CHANNEL);
    const asked = new AskedCalls({ group: NODES_GROUP, maxPending: 100_000 }, { clock });
    channel.onMessage((message) => {
      if (message.type === "answer") asked.answered(channel, message);
    });
    const send = (method: string, body: Uint8Array): Promise<CallAnswer> =>
      asked.ask(channel, { method, body, timeoutMs: 60_000 }, () => {});
    const ask = (method: string, body: Uint8Array) => run(send(method, body));
    return { link, send, ask };
  };
  const { servers, store } = scene;
  const figures = () => servers.get(API_1)?.figures;
  return { clock, scene, run, connect, figures, store, ...(await connect()) };
}

function put(key: string): Uint8Array {
  return txnRequest.encode({ compare: [], then: [{ type: "put", key, value: Uint8Array.of(1) }] });
}

test("bytes that are no request get a refusal that says why, and the link stands", async () => {
  const { ask, scene, figures } = await rawNode();
  const garbage = [NO_BYTES, Uint8Array.of(0xff), Uint8Array.of(0x80), Uint8Array.of(0xa1, 1, 1)];
  for (const method of METHODS)
    for (const body of garbage) {
      const answer = await ask(method, body);
      assert.equal(answer.code, "refused", method);
      assert.equal(decodeRefusal(answer.body).code, "bad-request");
    }
  assert.equal((await ask("drop-tables", NO_BYTES)).code, "unknown-method");
  assert.equal((await ask("range", rangeRequest.encode({ prefix: "" }))).code, "ok");
  assert.deepEqual(figures()?.linked, { gameserver: 1, proxy: 0, apiserver: 0 });
  const unknown = figures()?.answered.find(({ method }) => method === "other");
  assert.deepEqual(unknown, { method: "other", code: "unknown-method", count: 1 });
  scene.stop();
});

test("a node of another cluster, or of another time, is refused in words", async () => {
  const { ask, scene } = await rawNode();
  const versions = { oldest: 1, newest: 1 };
  const refusal = async (hello: Parameters<typeof helloRequest.encode>[0]) =>
    decodeRefusal((await ask("hello", helloRequest.encode(hello))).body).message;
  assert.match(await refusal({ versions, software: "x", cluster: "other" }), /cluster test/);
  const later = { oldest: CONTROL_CALLS_VERSION + 1, newest: CONTROL_CALLS_VERSION + 2 };
  assert.match(await refusal({ versions: later, software: "x" }), /versions 1 to 3/);
  scene.stop();
});

test("who asks is held to what is its own", async () => {
  const { ask, scene, store } = await rawNode({ restricted: true });
  const code = async (method: string, body: Uint8Array) => {
    const answer = await ask(method, body);
    return answer.code === "refused" ? decodeRefusal(answer.body).code : answer.code;
  };
  assert.equal(await code("txn", put("worlds/mine")), "forbidden");
  assert.equal(await code("txn", put("nodes/gs-2")), "forbidden");
  assert.equal(await code("txn", put("kv/node/gs-1/k")), "ok");
  assert.equal(await code("range", rangeRequest.encode({ prefix: "" })), "forbidden");
  assert.equal(await code("range", rangeRequest.encode({ prefix: "worlds/" })), "ok");
  assert.equal(await code("watch", watchRequest.encode({ watch: "w", prefix: "t" })), "forbidden");
  assert.deepEqual(
    (await store.range({ prefix: "", consistency: "local" })).items.map(({ key }) => key),
    ["kv/node/gs-1/k"],
  );
  scene.stop();
});

test("a watch is told what comes, at once or when it comes, else how far it is", async () => {
  const { ask, send, scene, run, clock, store, figures } = await rawNode();
  const news = async (answer: Promise<CallAnswer>) => watchNews.decode((await answer).body);
  await ask("txn", put("before"));
  const opened = await ask("watch", watchRequest.encode({ watch: "w", prefix: "k/" }));
  const { revision } = watchAnswer.decode(opened.body);
  assert.equal(revision, store.revision);
  const next = watchName.encode({ watch: "w" });
  const waiting = news(send("watch-next", next));
  const twice = await ask("watch-next", next);
  assert.equal(decodeRefusal(twice.body).code, "bad-request");
  await ask("txn", put("k/1"));
  const first = await run(waiting);
  assert.equal(first.type === "changed" && first.changes.length, 1);
  await ask("txn", put("k/2"));
  const second = await run(news(send("watch-next", next)));
  assert.equal(second.type === "changed" && second.changes.length, 1);
  await ask("txn", put("other"));
  const began = clock.now();
  const idle = await run(news(send("watch-next", next)));
  assert.ok(clock.now() - began >= LONG_POLL_MS);
  assert.deepEqual(idle, {
    type: "changed",
    revision: store.revision,
    changes: [],
    leader: store.leader(),
  });
  const last = news(send("watch-next", next));
  const closed = await ask("watch-close", next);
  assert.deepEqual(nothing.decode(closed.body), {});
  assert.deepEqual(await run(last), { type: "ended" });
  assert.deepEqual(await run(news(send("watch-next", next))), { type: "ended" });
  assert.equal(figures()?.watches, 0);
  scene.stop();
});

test("watches are bounded for each node, and end with its link", async () => {
  const { ask, send, link, clock, scene, figures, store } = await rawNode();
  const open = (watch: string) => ask("watch", watchRequest.encode({ watch, prefix: `${watch}/` }));
  for (let i = 0; i < MAX_NODE_WATCHES; i++) assert.equal((await open(`w-${i}`)).code, "ok");
  assert.equal(decodeRefusal((await open("one-more")).body).code, "too-many-watches");
  assert.equal(decodeRefusal((await open("w-0")).body).code, "bad-request");
  void send("watch-next", watchName.encode({ watch: "w-0" }));
  await clock.elapse(10, settle);
  assert.equal(store.figures.watches, MAX_NODE_WATCHES);
  link.close({ code: "closed" });
  await clock.elapse(10, settle);
  assert.equal(store.figures.watches, 0);
  assert.deepEqual(figures()?.linked, { gameserver: 0, proxy: 0, apiserver: 0 });
  scene.stop();
});

test("a node that floods is answered with busy, and others are served", async () => {
  let finish = () => {};
  const gate = new Promise<RenewalAnswer>((resolve) => {
    finish = () => resolve({ ok: false, code: "not-leader" });
  });
  const { send, connect, scene, clock, run } = await rawNode({ renewals: { renew: () => gate } });
  const flood = MAX_NODE_CALLS + MAX_NODE_WATCHES + 500;
  const body = renewalRequest.encode({ boot: "b", number: 1, load });
  const answers = Array.from({ length: flood }, () => send("renew", body));
  await clock.elapse(100, settle);
  const other = await connect({ role: "proxy", node: "proxy-1" });
  const answer = await other.ask("txn", put("k"));
  assert.equal(txnAnswer.decode(answer.body).succeeded, true);
  finish();
  const codes = (await run(Promise.all(answers))).map(({ code }) => code);
  assert.equal(codes.filter((code) => code === "busy").length, 500);
  assert.equal(codes.filter((code) => code === "ok").length, flood - 500);
  scene.stop();
});

test("a node that takes no answers costs no work beyond its channel, then its link", async () => {
  const limits = { highWaterBytes: 20_000, maxQueuedBytes: 200_000 };
  const network = new InProcessNetwork({ limits, verify: true });
  const clock = new SimClock();
  const scene = await NodeScene.create({ clock, network, seed: "deaf" });
  const value = new Uint8Array(10_000);
  await clock.drive(
    scene.store.txn({ compare: [], then: [{ type: "put", key: "k", value }] }),
    settle,
  );
  const link = await network.node(GS).connect(API_1);
  const channel = link.channel(CONTROL_CHANNEL);
  const body = rangeRequest.encode({ key: "k", consistency: "local" });
  const ask = (id: number) =>
    channel.send({ type: "call", group: NODES_GROUP, id, method: "range", body });
  for (let id = 1; id <= 10; id++) ask(id);
  for (let i = 0; i < 20; i++) await settle();
  for (let id = 11; id <= 50; id++) ask(id);
  for (let i = 0; i < 20; i++) await settle();
  const answered = (code: string) =>
    scene.servers.get(API_1)?.figures.answered.find((one) => one.code === code)?.count;
  assert.equal(answered("busy"), 40);
  for (let id = 51; id <= 2000; id++) {
    ask(id);
    if (id % 50 === 0) await settle();
  }
  assert.equal((await link.closed).code, "overflow");
  scene.stop();
});

test("a newer link of a node takes the place of the one before", async () => {
  const { link, connect, scene, figures, run } = await rawNode();
  const newer = await connect();
  assert.match(String((await run(link.closed)).detail), /newer link/);
  assert.equal((await newer.ask("range", rangeRequest.encode({ key: "k" }))).code, "ok");
  assert.equal(figures()?.linked.gameserver, 1);
  scene.stop();
  assert.match(String((await run(newer.link.closed)).detail), /stops/);
});

test("a renewal goes on as of the node that the link belongs to", async () => {
  const renewed: unknown[] = [];
  const { ask, scene } = await rawNode({
    renewals: {
      renew: async (node, request) => {
        renewed.push({ node, ...request });
        if (renewed.length > 1) throw new ControlError("no-quorum", "nobody leads");
        return { ok: true, number: request.number, leaseMs: 500 };
      },
    },
  });
  const body = renewalRequest.encode({ boot: "b", number: 7, load });
  assert.equal((await ask("renew", body)).code, "ok");
  assert.equal(decodeRefusal((await ask("renew", body)).body).code, "no-quorum");
  assert.deepEqual(renewed[0], { node: "gs-1", boot: "b", number: 7, load });
  scene.stop();
});
