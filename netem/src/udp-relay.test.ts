import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { reached } from "@atlasnet/core/testing";
import { type Relay, type RelayOptions, startRelay } from "./relay.ts";
import { udpPeer } from "./testing/udp-peers.ts";

async function udpRelay(
  t: TestContext,
  port: number,
  options: Partial<RelayOptions> = {},
  clock?: SimClock,
): Promise<Relay> {
  const relay = await startRelay(
    { target: { host: "127.0.0.1", port }, tcp: false, ...options },
    clock === undefined ? {} : { clock },
  );
  t.after(() => relay.stop());
  return relay;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

test("datagrams go there and back, each client by a port of its own", async (t) => {
  const server = await udpPeer(t, (text) => `re ${text}`);
  const [ann, bob] = [await udpPeer(t), await udpPeer(t)];
  const relay = await udpRelay(t, server.port);
  ann.send("a", relay.address.port);
  bob.send("b", relay.address.port);
  await reached(() => ann.texts.length === 1 && bob.texts.length === 1);
  assert.deepEqual([ann.texts, bob.texts], [["re a"], ["re b"]]);
  assert.equal(server.from.length, 2);
  assert.deepEqual(ann.from, [relay.address.port]);
  const stats = relay.stats.udp;
  assert.deepEqual([stats?.flows, stats?.opened, relay.stats.tcp], [2, 2, undefined]);
  assert.deepEqual([stats?.up.packets, stats?.up.bytes], [2, 2]);
  assert.deepEqual([stats?.down.delivered, stats?.down.deliveredBytes], [2, 8]);
});

test("the same seed loses, doubles and reorders the same packets", async (t) => {
  const conditions = { loss: 0.2, duplicate: 0.1, reorder: 0.1, delayMs: 50, jitterMs: 20 };
  const run = async (seed: number): Promise<string[]> => {
    const clock = new SimClock();
    const server = await udpPeer(t);
    const client = await udpPeer(t);
    const options = { conditions: { ...conditions, seed } };
    const relay = await udpRelay(t, server.port, options, clock);
    for (const text of numbers(100)) client.send(text, relay.address.port);
    const { up } = relay.stats.udp ?? {};
    await reached(() => up?.packets === 100);
    // Each 5 ms of the relay's time for itself, so that the system has no say in the order.
    for (let ms = 0; ms < 80; ms += 1) {
      const before = up?.delivered ?? 0;
      clock.advance(1);
      const sent = (up?.delivered ?? 0) - before;
      const expected = server.texts.length + sent;
      await reached(() => server.texts.length === expected);
    }
    const arrived = new Set(server.texts).size;
    assert.equal(up?.lost, 100 - arrived);
    assert.equal(up?.duplicated, server.texts.length - arrived);
    assert.ok(up.lost > 0 && up.duplicated > 0 && up.reordered > 0);
    return server.texts;
  };
  const first = await run(7);
  assert.deepEqual(first, await run(7));
  assert.notDeepEqual(first, await run(8));
  assert.notDeepEqual(
    first,
    first.toSorted((a, b) => Number(a) - Number(b)),
  );
});

test("a cut is made and mended while it runs, in one direction if wanted", async (t) => {
  const server = await udpPeer(t, (text) => text);
  const client = await udpPeer(t);
  const relay = await udpRelay(t, server.port);
  relay.setConditions({ loss: 1 });
  client.send("1", relay.address.port);
  await reached(() => relay.stats.udp?.up.lost === 1);
  relay.setConditions({ loss: 0 }, "up");
  client.send("2", relay.address.port);
  await reached(() => relay.stats.udp?.down.lost === 1);
  relay.setConditions({ loss: 0 });
  client.send("3", relay.address.port);
  await reached(() => client.texts.length > 0);
  assert.deepEqual([server.texts, client.texts], [["2", "3"], ["3"]]);
  assert.throws(() => relay.setConditions({ loss: 2 }), { code: "bad-conditions" });
});

test("rebind: packets leave from another port, and answers to it come back", async (t) => {
  const server = await udpPeer(t, (text) => text);
  const client = await udpPeer(t);
  const relay = await udpRelay(t, server.port);
  for (const text of numbers(3)) {
    client.send(text, relay.address.port);
    await reached(() => client.texts.includes(text));
    relay.rebind();
  }
  assert.equal(server.from.length, 3);
  assert.deepEqual(client.texts, ["0", "1", "2"]);
  assert.equal(relay.stats.udp?.rebinds, 3);
});

test("rebindEveryMs does so by itself", async (t) => {
  const clock = new SimClock();
  const server = await udpPeer(t, (text) => text);
  const client = await udpPeer(t);
  const relay = await udpRelay(t, server.port, { rebindEveryMs: 1_000 }, clock);
  client.send("1", relay.address.port);
  await reached(() => relay.stats.udp?.up.packets === 1);
  clock.advance(1);
  await reached(() => relay.stats.udp?.down.packets === 1);
  clock.advance(3_500);
  client.send("2", relay.address.port);
  await reached(() => relay.stats.udp?.up.packets === 2);
  clock.advance(1);
  await reached(() => server.texts.length === 2);
  assert.equal(server.from.length, 2);
  assert.equal(relay.stats.udp?.rebinds, 3);
});

test("idle flows are forgotten, and more than maxFlows turned away", async (t) => {
  const clock = new SimClock();
  const server = await udpPeer(t);
  const [ann, bob] = [await udpPeer(t), await udpPeer(t)];
  const limits = { maxFlows: 1, idleMs: 60_000 };
  const relay = await udpRelay(t, server.port, { limits }, clock);
  const stats = relay.stats.udp;
  ann.send("1", relay.address.port);
  await reached(() => stats?.flows === 1);
  bob.send("2", relay.address.port);
  await reached(() => stats?.refused === 1);
  clock.advance(90_000);
  assert.equal(stats?.flows, 0);
  bob.send("3", relay.address.port);
  await reached(() => stats?.flows === 1);
  clock.advance(1);
  await reached(() => server.texts.includes("3"));
  assert.ok(!server.texts.includes("2"));
});

test("what is held is bounded, and what a full queue drops is counted", async (t) => {
  const clock = new SimClock();
  const server = await udpPeer(t);
  const client = await udpPeer(t);
  const relay = await udpRelay(
    t,
    server.port,
    { conditions: { delayMs: 1_000 }, limits: { maxHeldBytes: 300 } },
    clock,
  );
  const { up } = relay.stats.udp ?? {};
  for (let n = 0; n < 4; n++) client.send("x".repeat(100), relay.address.port);
  await reached(() => up?.packets === 4);
  assert.equal(up?.overflows, 1);
  clock.advance(1_000);
  await reached(() => server.texts.length === 3);
  relay.setConditions({ rateBytesPerSecond: 1_000, queueBytes: 1_500, delayMs: 0 });
  for (let n = 0; n < 3; n++) client.send("y".repeat(1_000), relay.address.port);
  await reached(() => up?.packets === 7);
  assert.equal(up?.queueDrops, 2);
});
