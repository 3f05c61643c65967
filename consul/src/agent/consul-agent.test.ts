import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { type DevAgent, NO_CONSUL, startDevAgent } from "../testing/dev-agent.ts";
import { ConsulAgent, type ServiceRegistration } from "./consul-agent.ts";

describe(`a Consul agent${NO_CONSUL === undefined ? "" : ` (skipped: ${NO_CONSUL})`}`, {
  skip: NO_CONSUL !== undefined,
}, () => {
  let dev: DevAgent;
  let agent: ConsulAgent;
  before(async () => {
    dev = await startDevAgent();
    agent = new ConsulAgent(dev);
  });
  after(async () => {
    agent.close();
    await dev.stop();
  });

  test("keys are written, read, listed and deleted", async () => {
    const value = Buffer.from([0, 255, 10]);
    await agent.set("a/1", value);
    await agent.set("a/2", Buffer.alloc(0));
    const { value: item, index } = await agent.get("a/1", { consistent: true });
    assert.deepEqual(item?.value, value);
    assert.equal(item.modifyIndex > 0 && index >= item.modifyIndex, true);
    assert.deepEqual((await agent.get("a/2")).value?.value.length, 0);
    assert.equal((await agent.get("a/3")).value, undefined);
    assert.deepEqual(await agent.keys("a/"), ["a/1", "a/2"]);
    await agent.deleteTree("a/");
    assert.deepEqual(await agent.keys("a/"), []);
  });

  test("a transaction applies all or nothing", async () => {
    const put = (key: string, index: number) =>
      ({ verb: "cas", key, value: Buffer.from("x"), index }) as const;
    const first = await agent.txn([
      put("t/1", 0),
      { verb: "set", key: "t/2", value: Buffer.from("y") },
    ]);
    assert.equal(first.ok && first.items.length, 2);
    const second = await agent.txn([
      { verb: "set", key: "t/3", value: Buffer.from("z") },
      put("t/1", 0),
    ]);
    assert.equal(second.ok, false);
    assert.deepEqual(await agent.keys("t/"), ["t/1", "t/2"]);
    const read = await agent.txn([{ verb: "get", key: "t/2" }]);
    assert.equal(read.ok && read.items[0]?.value.toString(), "y");
    assert.equal((await agent.txn([{ verb: "get", key: "t/3" }])).ok, false);
  });

  test("a read waits behind an index, until its signal", async () => {
    await agent.set("w", Buffer.from("1"));
    const { index } = await agent.get("w");
    const waiting = agent.get("w", { index, waitMs: 60_000 });
    await agent.set("w", Buffer.from("2"));
    const changed = await waiting;
    assert.equal(changed.value?.value.toString(), "2");
    const abort = new AbortController();
    const endless = agent.get("w", { index: changed.index, waitMs: 60_000, signal: abort.signal });
    abort.abort();
    await assert.rejects(endless, { name: "AbortError" });
  });

  test("a lock goes to one session, and to the next when that ends", async () => {
    const [one, two] = [
      await agent.createSession("one", 10_000),
      await agent.createSession("two", 10_000),
    ];
    assert.equal(await agent.acquire("lock", one, "1"), true);
    assert.equal(await agent.acquire("lock", two, "2"), false);
    assert.equal((await agent.get("lock")).value?.session, one);
    assert.equal(await agent.renewSession(one), true);
    await agent.destroySession(one);
    assert.equal(await agent.renewSession(one), false);
    assert.equal((await agent.get("lock")).value?.session, undefined);
    assert.equal(await agent.acquire("lock", two, "2"), true);
    await agent.destroySession(two);
  });

  test("a service is found by name and tag, as healthy as it says", async () => {
    const service: ServiceRegistration = {
      id: "svc-1",
      ...{ name: "svc", address: "", port: 2556, tags: ["apiserver"], meta: { node: "svc-1" } },
      ...{ ttlMs: 60_000, forgetMs: 60_000 },
    };
    assert.equal(await agent.report("svc-1", true, ""), false);
    await agent.register(service);
    assert.equal(await agent.report("svc-1", true, "ready"), true);
    const found = await agent.services("svc", "apiserver");
    assert.deepEqual(
      found.value.map(({ id, address, port, meta, passing }) => [id, address, port, meta, passing]),
      [["svc-1", "127.0.0.1", 2556, { node: "svc-1" }, true]],
    );
    assert.deepEqual((await agent.services("svc", "proxy")).value, []);
    await agent.report("svc-1", false, "draining");
    assert.equal((await agent.services("svc", "apiserver")).value[0]?.passing, false);
    await agent.deregister("svc-1");
    assert.deepEqual((await agent.services("svc", "apiserver")).value, []);
    assert.equal(await agent.nodeAddress(), "127.0.0.1");
  });
});

test("an agent that is not there is an error that says what to do", async () => {
  const agent = new ConsulAgent({ address: "http://127.0.0.1:1" });
  await assert.rejects(agent.get("k"), {
    code: "consul-unreachable",
    message: /read k: no answer from the Consul agent at http:\/\/127.0.0.1:1/,
    hint: /discovery.consul.address/,
  });
  agent.close();
});

test("an agent is reached by an IPv6 address", async (t) => {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ Member: { Addr: request.headers.host } }));
  });
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, "::1", () => resolve(true));
  });
  if (!isListening) return t.skip("this machine has no IPv6");
  const address = server.address();
  const host = `[::1]:${typeof address === "object" ? address?.port : ""}`;
  const agent = new ConsulAgent({ address: `http://${host}` });
  t.after(() => {
    agent.close();
    server.close();
  });
  assert.equal(await agent.nodeAddress(), host);
});
