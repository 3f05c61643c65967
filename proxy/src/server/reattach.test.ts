import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { UpstreamKind } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import { FakeGameserver } from "../testing/fake-shard.ts";
import { field, hello, type TestClient, webSocketClient } from "../testing/test-clients.ts";
import { type Bench, type BenchOptions, bench } from "../testing/test-proxy.ts";

async function joined(
  t: TestContext,
  options: BenchOptions,
): Promise<Bench & { client: TestClient; attach: number }> {
  const started = await bench(t, options);
  const client = await webSocketClient(started.address);
  t.after(() => client.end());
  client.send(hello("arena", { attempt: 4 }));
  assert.equal((await client.messages.next())[0], 5);
  const { attach } = await started.gameserver.attaches.next();
  return { ...started, client, attach };
}

for (const links of linkKinds)
  test(`${links.name}: a shard reset attaches anew with session, stream, numbers and attempt`, async (t) => {
    const { client, gameserver, attach } = await joined(t, { links });
    client.send([2, 1, 0, Uint8Array.of(1)]);
    await client.messages.until(([kind]) => kind === 3);
    client.send([3, 1, 1]);
    await gameserver.entries.until(({ kind }) => kind === UpstreamKind.ack);
    gameserver.epoch = 2;
    gameserver.send({ type: "shard-reset", shard: "arena.0", epoch: 2 });
    const again = await gameserver.attaches.next();
    assert.equal(again.epoch, 2);
    assert.notEqual(again.attach, attach);
    assert.equal(again.session, 1);
    assert.equal(again.attempt, 4);
    assert.equal(again.firstUnacked, 2);
    assert.equal(again.lastReceived, 1);
    assert.equal(again.timeline, 1);
    assert.deepEqual(again.stream, Uint8Array.of(1, 1, 2, 2, 3, 3, 4, 4));
    const [kind, welcome] = await client.messages.next();
    assert.equal(kind, 5);
    assert.equal(field(welcome, "attempt"), 4);
    assert.equal(field(welcome, "epoch"), 2);
  });

for (const links of linkKinds)
  test(`${links.name}: when the world went back, what is numbered on the older timeline does not get through`, async (t) => {
    const { client, gameserver, attach, proxy } = await joined(t, { links });
    const said = { seq: 1, index: 0, payload: Uint8Array.of(1) };
    gameserver.batch({ sessions: [{ attach, messages: [said] }] });
    assert.equal((await client.messages.next())[0], 2);
    gameserver.epoch = 2;
    gameserver.timeline = 2;
    gameserver.send({ type: "shard-reset", shard: "arena.0", epoch: 2 });
    assert.equal((await client.messages.next())[0], 5);
    const again = await gameserver.attaches.next();
    // On their way while the world went back: number 1 is another message there, both ways.
    client.send([3, 1, 1]);
    client.send([2, 1, 0, Uint8Array.of(1)]);
    client.send([5, 1, 0, Uint8Array.of(2)]);
    client.send([3, 0, 2]);
    client.send([2, 1, 0, Uint8Array.of(3)]);
    const passed = [];
    while (passed.length < 3) passed.push(await gameserver.entries.next());
    assert.deepEqual(
      passed.map(({ attach, kind, n, payload }) => [attach, kind, n, ...payload]),
      [
        [again.attach, UpstreamKind.input, 1, 2],
        [again.attach, UpstreamKind.ack, 0],
        [again.attach, UpstreamKind.message, 1, 3],
      ],
    );
    assert.equal(proxy.counters.staleFromClients, 2);
  });

for (const links of linkKinds)
  test(`${links.name}: an ack from before the world went back does not cost a message of the same number`, async (t) => {
    const { client, gameserver, attach, address } = await joined(t, { links });
    const message = (text: number) => ({ seq: 1, index: 0, payload: Uint8Array.of(text) });
    gameserver.batch({ sessions: [{ attach, messages: [message(1)] }] });
    assert.equal((await client.messages.next())[0], 2);
    gameserver.epoch = 2;
    gameserver.timeline = 2;
    gameserver.send({ type: "shard-reset", shard: "arena.0", epoch: 2 });
    assert.equal((await gameserver.attaches.next()).timeline, 1);
    assert.equal((await client.messages.next())[0], 5);
    // Sent before the client read that welcome. Then its connection breaks, and with it goes the first
    // message of the new timeline.
    client.send([3, 1, 1]);
    client.send([5, 1, 0, Uint8Array.of(2)]);
    const passed = [await gameserver.entries.next()];
    while (passed.at(-1)?.kind !== UpstreamKind.input) passed.push(await gameserver.entries.next());
    client.end();
    // As every shard does: what was not acknowledged is kept, and sent again at the next attach.
    const acked = Math.max(0, ...passed.filter((e) => e.kind === UpstreamKind.ack).map((e) => e.n));
    const again = await webSocketClient(address);
    t.after(() => again.end());
    const resume = 'resume:{"account":"ann","world":"arena","session":1,"name":"Ann","data":null}';
    again.send(hello("arena", { resume, attempt: 5, lastReceived: 1, timeline: 1 }));
    const back = await gameserver.attaches.next();
    const kept = [message(7)].filter(({ seq }) => seq > acked);
    gameserver.batch({ sessions: [{ attach: back.attach, messages: kept }] });
    assert.equal((await again.messages.next())[0], 5);
    again.send([4, 1]);
    assert.deepEqual(await again.messages.next(), [2, 1, 0, Uint8Array.of(7)]);
  });

for (const links of linkKinds)
  test(`${links.name}: while the owner is dead messages wait in order; the client only sees a new welcome`, async (t) => {
    const { client, gameserver, network, proxy } = await joined(t, { links });
    await gameserver.die();
    // What is on its way by then is lost; clients send it again.
    await network.gone();
    client.send([5, 1, 0, Uint8Array.of(1)]);
    client.send([2, 1, 0, Uint8Array.of(2)]);
    client.send([4, 77]);
    assert.deepEqual((await client.messages.next()).slice(0, 2), [4, 77]);
    const next = new FakeGameserver("arena.0");
    next.epoch = 1;
    await next.listen(network.node("g1"));
    assert.equal((await next.attaches.next()).session, 1);
    assert.equal((await client.messages.next())[0], 5);
    assert.equal((await next.entries.next()).kind, UpstreamKind.input);
    assert.equal((await next.entries.next()).kind, UpstreamKind.message);
    assert.deepEqual(await client.messages.next(), [2, 1, 0, Uint8Array.of(2)]);
    assert.equal(proxy.counters.reattaches, 1);
  });

for (const links of linkKinds)
  test(`${links.name}: a placement elsewhere moves everybody there; the old owner's words are dropped`, async (t) => {
    const { client, gameserver, network, placements, proxy, attach } = await joined(t, { links });
    const next = new FakeGameserver("arena.0");
    next.epoch = 2;
    await next.listen(network.node("g2"));
    placements.set({ world: "arena", shard: "arena.0", node: "g2", epoch: 2 });
    const moved = await next.attaches.next();
    assert.equal(moved.epoch, 2);
    gameserver.close(attach, "kicked");
    await reached(() => proxy.counters.staleMessages === 1);
    assert.equal((await client.messages.next())[0], 5);
    client.send([4, 1]);
    assert.equal((await client.messages.next())[0], 4);
  });

for (const links of linkKinds)
  test(`${links.name}: an owner that is behind is asked again; one that is ahead is followed`, async (t) => {
    const { client, gameserver, placements } = await joined(t, { links });
    gameserver.answer = "world-unavailable";
    placements.set({ world: "arena", shard: "arena.0", node: "g1", epoch: 2 });
    assert.equal((await gameserver.attaches.next()).epoch, 2);
    // It answered at epoch 1; the next try finds it at epoch 3.
    gameserver.epoch = 3;
    assert.equal((await gameserver.attaches.next()).epoch, 2);
    gameserver.answer = "attached";
    assert.equal((await gameserver.attaches.next()).epoch, 3);
    const [kind, welcome] = await client.messages.next();
    assert.equal(kind, 5);
    assert.equal(field(welcome, "epoch"), 3);
  });

for (const links of linkKinds)
  test(`${links.name}: past the bound the socket is not read until there is an owner again`, async (t) => {
    const { client, gameserver, network, proxy } = await joined(t, {
      links,
      limits: { attachBufferBytes: 1000 },
    });
    await gameserver.die();
    await network.gone();
    for (let n = 1; n <= 20; n++) client.send([5, n, 0, new Uint8Array(100)]);
    while (proxy.counters.paused === 0) await new Promise((resolve) => setImmediate(resolve));
    const next = new FakeGameserver("arena.0");
    await next.listen(network.node("g1"));
    for (let n = 1; n <= 20; n++) assert.equal((await next.entries.next()).n, n);
  });

test("what a client says while it is not read counts as said then, not as said at once", {
  timeout: 20_000,
}, async (t) => {
  let late = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + late };
  const { client, gameserver, network, proxy } = await joined(t, {
    clock,
    limits: { attachBufferBytes: 1000, messagesPerSecond: 10, messagesBurst: 20 },
  });
  await gameserver.die();
  await network.gone();
  const say = (n: number) => client.send([5, n, 0, new Uint8Array(100)]);
  for (let n = 1; n <= 10; n++) say(n);
  while (proxy.counters.paused === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let n = 11; n <= 90; n++) say(n);
  late = 10_000;
  const next = new FakeGameserver("arena.0");
  await next.listen(network.node("g1"));
  for (let n = 1; n <= 90; n++) assert.equal((await next.entries.next()).n, n);
  assert.equal(proxy.counters.closes.size, 0);
});

for (const links of linkKinds)
  test(`${links.name}: without an owner for too long the client is closed with world-unavailable`, async (t) => {
    const { client, gameserver } = await joined(t, { links, limits: { unavailableTimeoutMs: 1 } });
    await gameserver.die();
    assert.equal((await client.messages.until(([kind]) => kind === 6))[1], 4016);
    await client.messages.untilEnd();
    assert.equal(client.closeCode(), 4016);
  });

for (const links of linkKinds)
  test(`${links.name}: what the shard ends is told with its code, and a gone client is detached`, async (t) => {
    const { client, gameserver, attach, address } = await joined(t, { links });
    gameserver.close(attach, "kicked");
    assert.deepEqual(await client.messages.next(), [6, 4013, "kicked"]);
    await client.messages.untilEnd();
    const other = await webSocketClient(address);
    other.send(hello("arena"));
    const second = await gameserver.attaches.next();
    await other.messages.next();
    other.end();
    const detach = await gameserver.others.next();
    assert.equal(detach.type, "detach");
    assert.equal("attach" in detach ? detach.attach : 0, second.attach);
  });

for (const links of linkKinds)
  test(`${links.name}: a resume token returns to the session, for its world only`, async (t) => {
    const { client, gameserver, address } = await joined(t, { links });
    client.end();
    const resume = 'resume:{"account":"ann","world":"arena","session":9,"name":"Ann","data":null}';
    const again = await webSocketClient(address);
    t.after(() => again.end());
    again.send(hello("arena", { resume, attempt: 5 }));
    const attach = await gameserver.attaches.next();
    assert.equal(attach.session, 9);
    assert.equal(attach.attempt, 5);
    assert.equal(attach.account, "ann");
    const welcome = (await again.messages.next())[1];
    assert.equal(field(welcome, "resume"), resume);
    const wrong = await webSocketClient(address);
    wrong.send(hello("cave", { resume, attempt: 5 }));
    assert.equal((await wrong.messages.next())[1], 4006);
  });
