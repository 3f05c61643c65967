import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { CborValue } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { linkKinds } from "@atlasnet/quic/testing";
import { WebSocket } from "ws";
import {
  cbor,
  framedClient,
  hello,
  portOf,
  type TestClient,
  webSocketClient,
} from "../testing/test-clients.ts";
import { bench } from "../testing/test-proxy.ts";
import { udpClient } from "../testing/udp-client.ts";

/** The close message's code; on WebSocket also checks the close frame. */
async function closeCode(client: TestClient): Promise<CborValue | undefined> {
  const [, code] = await client.messages.until(([kind]) => kind === 6);
  await client.messages.untilEnd();
  if (client.socket === undefined) assert.equal(client.closeCode(), code);
  return code;
}

const OPENERS = [
  ["framed", framedClient],
  ["websocket", webSocketClient],
  ["udp", udpClient],
] as const;

const REFUSED: readonly [what: string, send: (client: TestClient) => void, code: number][] = [
  ["garbage", (c) => c.send("garbage"), 4001],
  ["a message before hello", (c) => c.send([2, 1, 0, new Uint8Array(0)]), 4021],
  ["a leave before hello", (c) => c.send([6]), 4021],
  ["an unknown version", (c) => c.send([1, { v: 7 }]), 4005],
  ["an unknown world", (c) => c.send(hello("nowhere")), 4008],
  ["a bad ticket", (c) => c.send(hello("arena", { ticket: "x" })), 4006],
  ["a ticket of another world", (c) => c.send(hello("arena", { ticket: "ticket:a:cave" })), 4006],
  ["too many messages", (c) => Array.from({ length: 30 }, (_, t) => c.send([4, t])), 4003],
  ["too many bytes", (c) => c.send([2, 1, 0, new Uint8Array(3000)]), 4003],
];

for (const [transport, open] of OPENERS)
  for (const [what, send, code] of REFUSED)
    test(`${transport}: ${what} is answered with ${code}, counted, and touches nobody`, async (t) => {
      const { address, proxy } = await bench(t, {
        limits: {
          messagesPerSecond: 10,
          messagesBurst: 20,
          bytesPerSecond: 1000,
          bytesBurst: 2000,
        },
      });
      const [victim, offender] = [await open(address), await open(address)];
      t.after(() => victim.end());
      send(offender);
      assert.equal(await closeCode(offender), code);
      assert.equal(
        [...proxy.counters.closes.values()].reduce((a, b) => a + b, 0),
        1,
      );
      victim.send(hello("arena"));
      assert.equal((await victim.messages.next())[0], 5);
    });

for (const links of linkKinds)
  test(`${links.name}: without guests a hello needs a ticket`, async (t) => {
    const { address, gameserver } = await bench(t, { links, allowGuests: false });
    const guest = await webSocketClient(address);
    guest.send(hello("arena"));
    assert.equal(await closeCode(guest), 4006);
    const player = await webSocketClient(address);
    t.after(() => player.end());
    player.send(hello("arena", { ticket: "ticket:ann:*" }));
    assert.equal((await player.messages.next())[0], 5);
    assert.equal((await gameserver.attaches.next()).account, "ann");
  });

test("oversized messages: framed by their length, WebSocket by its frame", async (t) => {
  const { address } = await bench(t);
  const framed = await framedClient(address);
  framed.raw(Uint8Array.of(0xff, 0xff, 0x7f));
  assert.equal(await closeCode(framed), 4002);
  const webSocket = await webSocketClient(address);
  webSocket.raw(new Uint8Array(70_000));
  assert.equal(await closeCode(webSocket), 4002);
});

test("text messages and broken frames on a WebSocket are bad messages", async (t) => {
  const { address } = await bench(t);
  const webSocket = new WebSocket(`ws://127.0.0.1:${portOf(address)}`);
  webSocket.on("open", () => webSocket.send("hello"));
  assert.equal(await new Promise((resolve) => webSocket.on("close", resolve)), 4001);
});

test("too many connections: in total and from one address, told by code", async (t) => {
  for (const limits of [{ connections: 1 }, { connectionsPerAddress: 1 }]) {
    const { address } = await bench(t, { limits });
    const first = await framedClient(address);
    first.send([4, 1]);
    await first.messages.next();
    const second = await webSocketClient(address);
    assert.equal(await closeCode(second), 4017);
    first.end();
    await first.messages.untilEnd();
    let third = await framedClient(address);
    // The server learns of the first one's end a moment later.
    for (;;) {
      third.send([4, 2]);
      const [kind] = await third.messages.next();
      if (kind === 4) break;
      third = await framedClient(address);
    }
    third.end();
  }
});

test("silence: no hello in time, then nothing heard", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock });
  const greeter = await framedClient(address);
  greeter.send(hello("arena"));
  await settle(clock, () => greeter.messages.all.length === 1);
  const silent = connect(portOf(address), "127.0.0.1");
  const gone = new Promise((resolve) => silent.on("close", resolve));
  silent.resume();
  silent.on("error", () => undefined);
  const slow = await framedClient(address);
  slow.send([4, 1]);
  await slow.messages.next();
  clock.advance(9_000);
  assert.equal(proxy.counters.closes.size, 0);
  clock.advance(2_000);
  assert.equal(await closeCode(slow), 4004);
  await gone;
  assert.equal(proxy.counters.closes.get("handshake-timeout"), 2);
  clock.advance(30_000);
  assert.equal(await closeCode(greeter), 4019);
});

async function settle(clock: SimClock, done: () => boolean): Promise<void> {
  while (!done()) {
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const links of linkKinds)
  test(`${links.name}: a client that does not read is conflated, then brought up to date with full state`, async (t) => {
    const { address, gameserver, proxy } = await bench(t, { links });
    const client = await framedClient(address);
    t.after(() => client.end());
    client.send(hello("arena"));
    await client.messages.next();
    const { attach } = await gameserver.attaches.next();
    client.socket?.pause();
    const big = new Uint8Array(200_000).fill(1);
    gameserver.batch({
      topics: [{ topic: 0, full: big }],
      sessions: [{ attach, slots: [[0, 1]] }],
    });
    while (proxy.counters.conflated === 0) {
      gameserver.batch({ topics: [{ topic: 0, delta: big }] });
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket?.resume();
    while (proxy.counters.resyncsAsked === 0) {
      gameserver.batch({ topics: [{ topic: 0, delta: Uint8Array.of(1) }] });
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await gameserver.entries.next()).kind, 7);
    gameserver.batch({
      tick: 100_000,
      topics: [{ topic: 0, full: Uint8Array.of(0, 42) }],
      sessions: [{ attach, full: true }],
    });
    const last = await client.messages.until(
      ([, packed]) => packed instanceof Uint8Array && packed.length < 20 && packed.at(-1) === 42,
    );
    assert.deepEqual(last[1], Uint8Array.of(0xa0, 0x8d, 6, 1 | 8, 1, 0, 1, 1, 0, 42));
  });

for (const links of linkKinds)
  test(`${links.name}: a client that does not read reliable messages is closed as a slow consumer`, async (t) => {
    const { address, gameserver, proxy } = await bench(t, {
      links,
      limits: { reliableBacklogBytes: 100_000 },
    });
    const client = await framedClient(address);
    client.send(hello("arena"));
    await client.messages.next();
    const { attach } = await gameserver.attaches.next();
    client.socket?.pause();
    const payload = new Uint8Array(60_000);
    for (let seq = 1; !proxy.counters.closes.has("slow-consumer"); seq++) {
      gameserver.batch({ sessions: [{ attach, messages: [{ seq, index: 0, payload }] }] });
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket?.resume();
    assert.equal(await closeCode(client), 4018);
  });

for (const links of linkKinds)
  test(`${links.name}: drain says shutting-down and lets it arrive; stop leaves nothing open`, async (t) => {
    const { address, proxy, gameserver } = await bench(t, { links, endpoints: [] });
    const clients = [await framedClient(address), await webSocketClient(address)];
    for (const client of clients) {
      client.send(hello("arena"));
      await client.messages.next();
    }
    const linkClosed = gameserver.links[0]?.closed;
    await proxy.drain(5_000);
    for (const client of clients) assert.equal(await closeCode(client), 4020);
    await assert.rejects(framedClient(address));
    await proxy.stop();
    await proxy.stop();
    assert.equal((await linkClosed)?.code, "closed");
  });

for (const links of linkKinds)
  test(`${links.name}: a second hello while one stands is out of state`, async (t) => {
    const { address } = await bench(t, { links });
    const client = await framedClient(address);
    client.raw(cborFrames([hello("arena"), hello("arena")]));
    assert.equal(await closeCode(client), 4021);
  });

function cborFrames(values: readonly CborValue[]): Uint8Array {
  return Buffer.concat(
    values.flatMap((value) => {
      const item = cbor(value);
      assert.ok(item.length < 128);
      return [Uint8Array.of(item.length), item];
    }),
  );
}
