import assert from "node:assert/strict";
import { test } from "node:test";
import { type CborValue, OperatingError } from "@atlasnet/core";
import { linkKinds } from "@atlasnet/quic/testing";
import {
  field,
  framedClient,
  hello,
  portOf,
  type TestClient,
  webSocketClient,
} from "../testing/test-clients.ts";
import { bench, plainKeys, startBench } from "../testing/test-proxy.ts";
import { udpClient } from "../testing/udp-client.ts";

async function join(client: TestClient, more = {}): Promise<CborValue | undefined> {
  client.send(hello("arena", more));
  const [kind, welcome] = await client.messages.next();
  assert.equal(kind, 5);
  return welcome;
}

for (const [name, open] of [
  ["framed", framedClient],
  ["websocket", webSocketClient],
  ["udp", udpClient],
] as const) {
  for (const links of linkKinds)
    test(`${links.name}: ${name}: join, a message there and back, ping, leave, join again`, async (t) => {
      const { address, gameserver } = await bench(t, { links });
      const client = await open(address);
      t.after(() => client.end());
      const welcome = await join(client);
      assert.match(String(field(welcome, "account")), /^guest-[0-9a-f]{16}$/);
      assert.equal(field(welcome, "world"), "arena");
      assert.deepEqual(field(welcome, "endpoints"), ["a:1", "b:2"]);
      assert.equal(field(field(welcome, "definition"), "name"), "test");
      assert.equal(field(field(welcome, "limits"), "messagesPerSecond"), 100);

      client.send([2, 1, 0, Uint8Array.of(7, 8)]);
      assert.deepEqual(await client.messages.next(), [2, 1, 0, Uint8Array.of(7, 8)]);
      assert.deepEqual(await client.messages.next(), [3, 1, gameserver.tick]);

      client.send([4, 12345]);
      assert.deepEqual(await client.messages.next(), [4, 12345, gameserver.tick]);

      client.send([6]);
      assert.deepEqual(await client.messages.next(), [6, 4000, "left"]);
      await join(client);
      assert.equal(gameserver.attaches.all.length, 2);
    });
}

for (const links of linkKinds)
  test(`${links.name}: websocket: long messages, which ws reads, and short ones keep their order`, async (t) => {
    const { address, gameserver } = await bench(t, { links, limits: { messagesBurst: 1_000 } });
    const client = await webSocketClient(address);
    t.after(() => client.end());
    await join(client);
    for (let seq = 1; seq <= 200; seq++)
      client.send([2, seq, 0, new Uint8Array(seq % 3 === 0 ? 300 : 5)]);
    for (let seq = 1; seq <= 200; seq++)
      assert.equal((await gameserver.entries.next()).n, seq, "in the order they were sent");
  });

for (const links of linkKinds)
  test(`${links.name}: state: slots, mask and sections of a tick reach the client as one message`, async (t) => {
    const { address, gameserver } = await bench(t, { links });
    const client = await webSocketClient(address);
    t.after(() => client.end());
    await join(client);
    const { attach } = await gameserver.attaches.next();
    gameserver.batch({
      tick: 5,
      topics: [{ topic: 3, full: Uint8Array.of(0xaa, 0xbb), delta: Uint8Array.of(0xcc) }],
      sessions: [{ attach, slots: [[0, 4]], private: Uint8Array.of(0) }],
    });
    assert.deepEqual(await client.messages.next(), [
      1,
      Uint8Array.of(5, 3, 1, 0, 4, 0, 0b1, 0xaa, 0xbb),
    ]);
    gameserver.batch({ tick: 6, topics: [{ topic: 3, delta: Uint8Array.of(0xdd) }] });
    assert.deepEqual(await client.messages.next(), [1, Uint8Array.of(6, 0, 0b1, 0xdd)]);
  });

test("a port in use is an operating error that names the setting", async (t) => {
  const { address } = await bench(t);
  await assert.rejects(startBench({ port: portOf(address) }), (error) => {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, "port-in-use");
    assert.match(error.message, /proxy\.port/);
    assert.match(error.hint ?? "", /another proxy\.port/);
    return true;
  });
});

for (const links of linkKinds)
  test(`${links.name}: nothing of an attachment reaches the client before its welcome`, async (t) => {
    let sign: (token: string) => void = () => undefined;
    const signing = new Promise<string>((resolve) => {
      sign = resolve;
    });
    const { address, gameserver } = await bench(t, {
      links,
      keys: { ...plainKeys, signResume: () => signing },
    });
    const client = await framedClient(address);
    t.after(() => client.end());
    client.send(hello("arena"));
    const { attach } = await gameserver.attaches.next();
    const { shard, epoch } = { shard: "arena.0", epoch: 1 };
    gameserver.batch({
      sessions: [{ attach, messages: [{ seq: 1, index: 0, payload: Uint8Array.of(5) }] }],
    });
    gameserver.send({ type: "notice", shard, epoch, kind: "dev-error", text: "oops" });
    gameserver.send({ type: "transfer", shard, epoch, attach, world: "cave" });
    // Answered by the proxy itself, and after what the shard sent in the same turn.
    client.send([4, 1]);
    assert.equal((await client.messages.next())[0], 4);
    sign("token");
    const kinds = [];
    for (let i = 0; i < 4; i++) kinds.push((await client.messages.next())[0]);
    assert.deepEqual(kinds, [5, 2, 9, 8]);
  });
