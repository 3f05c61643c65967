import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { UpstreamKind } from "@atlasnet/core";
import { reached } from "@atlasnet/core/testing";
import { FakeGameserver } from "../testing/fake-shard.ts";
import { framedClient, hello, type TestClient, webSocketClient } from "../testing/test-clients.ts";
import { type Bench, type BenchOptions, bench } from "../testing/test-proxy.ts";
import { udpClient } from "../testing/udp-client.ts";

const SHARD = "arena.0";
/** What was read at once when a socket is paused is taken, with what it costs to keep. */
const ONE_READ = 80_000;

interface Scene extends Bench {
  client: TestClient;
  attach: number;
  next: FakeGameserver;
  seal(): Promise<void>;
  /** Resolves when all that the client has sent was read. */
  settled(): Promise<void>;
  /** The shard is at the next gameserver. */
  move(): void;
}

/** Somebody plays in a world of `g1`, which may move to `g2`. */
async function scene(
  t: TestContext,
  transport: (typeof transports)[number],
  options: BenchOptions = {},
): Promise<Scene> {
  const started = await bench(t, options);
  const { gameserver, network, placements, proxy } = started;
  const address = transport.name === "UDP" ? `:${proxy.udpEndpoint?.port ?? 0}` : started.address;
  const client = await transport.open(address);
  t.after(() => client.end());
  client.send(hello("arena"));
  assert.equal((await client.messages.next())[0], 5);
  const { attach } = await gameserver.attaches.next();
  const next = new FakeGameserver(SHARD);
  next.epoch = 2;
  await next.listen(network.node("g2"));
  let pings = 0;
  return {
    ...started,
    client,
    attach,
    next,
    seal: async () => {
      gameserver.send({ type: "shard-sealed", shard: SHARD, epoch: 1, to: "g2" });
      await reached(() => proxy.counters.sealed.size === 1);
    },
    settled: async () => {
      const ping = ++pings;
      client.send([4, ping]);
      await client.messages.until(([kind, t]) => kind === 4 && t === ping);
    },
    move: () => placements.set({ world: "arena", shard: SHARD, node: "g2", epoch: 2 }),
  };
}

const transports = [
  { name: "framed TCP", open: framedClient },
  { name: "WebSocket", open: webSocketClient },
  { name: "UDP", open: udpClient },
] as const;

const say = (n: number, size = 1) => [2, n, 0, new Uint8Array(size).fill(n)];
const told = ({ entries }: FakeGameserver) =>
  entries.all.map(({ kind, n, payload }) => [
    kind === UpstreamKind.message ? "say" : kind,
    n,
    payload[0],
  ]);
const says = (...numbers: number[]) => numbers.map((n) => ["say", n, n]);

for (const transport of transports) {
  test(`${transport.name}: what is said while a world moves goes to the next owner, once and in order, and the socket is not touched`, async (t) => {
    const { client, gameserver, next, proxy, seal, settled, move } = await scene(t, transport);
    gameserver.echo = false;
    next.echo = false;
    await seal();
    for (const n of [1, 2, 3]) client.send(say(n));
    await settled();
    const [held] = proxy.counters.sealed;
    assert.ok(held !== undefined && held.heldBytes > 0 && held.clientCount === 1);
    move();
    const attach = await next.attaches.next();
    assert.deepEqual([attach.epoch, attach.session, attach.firstUnacked], [2, 1, 1]);
    client.send(say(4));
    await reached(() => next.entries.all.length >= 4);
    assert.deepEqual(told(next), says(1, 2, 3, 4));
    assert.ok(next.entries.all.every((entry) => entry.attach === attach.attach));
    assert.deepEqual(gameserver.entries.all, []);
    assert.deepEqual(
      client.messages.all.map(([kind]) => kind).filter((kind) => kind !== 4),
      [5, 5],
      "the client hears a second welcome and nothing else",
    );
    const { seals, sealed, reattaches, closes } = proxy.counters;
    assert.deepEqual([seals, sealed.size, reattaches, closes.size], [1, 0, 1, 0]);
  });

  test(`${transport.name}: a shard that stays after all gets everything, as if nothing had been`, async (t) => {
    const { client, gameserver, proxy, seal, settled } = await scene(t, transport);
    gameserver.echo = false;
    await seal();
    for (const n of [1, 2, 3]) client.send(say(n));
    await settled();
    assert.deepEqual(gameserver.entries.all, []);
    gameserver.send({ type: "shard-unsealed", shard: SHARD, epoch: 1 });
    await reached(() => gameserver.entries.all.length === 3);
    assert.deepEqual(told(gameserver), says(1, 2, 3));
    assert.deepEqual([proxy.counters.attaches, proxy.counters.reattaches], [1, 0]);
  });

  test(`${transport.name}: past the bound the client is not read, and nothing is lost`, async (t) => {
    const { client, address, gameserver, next, proxy, seal, move } = await scene(t, transport, {
      limits: { upstreamBufferBytes: 1_000, attachBufferBytes: 500 },
    });
    next.echo = false;
    const other = await framedClient(address);
    t.after(() => other.end());
    await seal();
    const numbers = Array.from({ length: 150 }, (_, i) => i + 1);
    for (const n of numbers) client.send(say(n, 1_400));
    await reached(() => proxy.counters.paused === 1);
    // What came from others since then shows that this one is left alone.
    other.send([4, 1]);
    assert.equal((await other.messages.next())[0], 4);
    const [held] = proxy.counters.sealed;
    assert.ok(held !== undefined && held.heldBytes < 1_000 + ONE_READ, "and not 210,000");
    move();
    await reached(() => next.entries.all.length === numbers.length);
    assert.deepEqual(
      next.entries.all.map(({ n }) => n),
      numbers,
    );
    assert.deepEqual([gameserver.entries.all.length, proxy.counters.closes.size], [0, 0]);
  });

  test(`${transport.name}: the old owner dies after its seal`, async (t) => {
    const { client, gameserver, proxy, next, seal, settled, move } = await scene(t, transport);
    next.echo = false;
    await seal();
    client.send(say(1));
    await settled();
    await gameserver.die();
    await reached(() => proxy.counters.reattaches === 1);
    client.send(say(2));
    await settled();
    move();
    await reached(() => next.entries.all.length === 2);
    assert.deepEqual(told(next), says(1, 2));
  });

  test(`${transport.name}: who leaves while a world moves has the last word there`, async (t) => {
    const { client, gameserver, next, seal, settled, move } = await scene(t, transport);
    next.echo = false;
    await seal();
    client.send(say(1));
    client.send([6]);
    await settled();
    assert.deepEqual(gameserver.others.all, []);
    move();
    const leave = await next.others.next();
    assert.equal(leave.type, "leave");
    assert.deepEqual(told(next), says(1));
    const [kind, code] = await client.messages.until(([type]) => type !== 4);
    assert.deepEqual([kind, code], [6, 4000], "no second welcome");
  });
}

const [framed] = transports;

test("a client that goes while its shard is sealed is detached behind its last words", async (t) => {
  const { client, gameserver, proxy, seal, settled, attach } = await scene(t, framed);
  gameserver.echo = false;
  await seal();
  client.send(say(1));
  await settled();
  client.end();
  await reached(() => [...proxy.counters.sealed][0]?.clientCount === 0);
  gameserver.send({ type: "shard-unsealed", shard: SHARD, epoch: 1 });
  const detach = await gameserver.others.next();
  assert.ok(detach.type === "detach" && detach.attach === attach);
  assert.deepEqual(told(gameserver), says(1));
});

test("nobody attaches at the next owner for a client that is gone", async (t) => {
  const { client, address, gameserver, next, proxy, seal, settled, move } = await scene(t, framed);
  await seal();
  client.send(say(1));
  await settled();
  client.end();
  await reached(() => [...proxy.counters.sealed][0]?.clientCount === 0);
  const other = await framedClient(address);
  t.after(() => other.end());
  other.send(hello("arena", { ticket: "ticket:bob:arena" }));
  await gameserver.attaches.next();
  move();
  assert.equal((await next.attaches.next()).account, "bob");
  assert.equal((await other.messages.next())[0], 5);
  assert.deepEqual([next.attaches.all.length, next.entries.all], [1, []]);
});

test("a shard that is sealed and not heard of is one without an owner: its players wait", async (t) => {
  const { client, gameserver, next, proxy, settled, move } = await scene(t, framed, {
    limits: { sealedMs: 1 },
  });
  gameserver.echo = false;
  next.echo = false;
  // As a shard that makes no ticks.
  gameserver.answer = "nothing";
  gameserver.send({ type: "shard-sealed", shard: SHARD, epoch: 1, to: "g2" });
  await reached(() => proxy.counters.reattaches === 1 && proxy.counters.sealed.size === 0);
  client.send(say(1));
  await settled();
  assert.equal(proxy.counters.closes.size, 0);
  move();
  await reached(() => next.entries.all.length === 1);
  assert.deepEqual(told(next), says(1));
});
