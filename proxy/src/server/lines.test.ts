import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { linkKinds } from "@atlasnet/quic/testing";
import { Arrivals } from "../testing/arrivals.ts";
import { FakeGameserver, TEST_DEFINITION } from "../testing/fake-shard.ts";
import { portOf } from "../testing/test-clients.ts";
import { type Bench, type BenchOptions, bench } from "../testing/test-proxy.ts";

interface LinesBench extends Bench {
  socket: Socket;
  lines: Arrivals<string>;
}

async function linesBench(t: TestContext, options?: BenchOptions): Promise<LinesBench> {
  const started = await bench(t, options);
  const socket = connect({ port: portOf(started.address), host: "127.0.0.1", noDelay: true });
  const lines = new Arrivals<string>();
  let rest = "";
  socket.on("data", (chunk) => {
    const parts = (rest + String(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) lines.add(line);
  });
  socket.on("close", () => lines.end());
  socket.on("error", () => lines.end());
  return { ...started, socket, lines };
}

/** The next watch, answered as a shard does. */
async function watched(gameserver: FakeGameserver): Promise<number> {
  const { attach, epoch } = await gameserver.watches.next();
  gameserver.send({
    type: "watching",
    shard: "arena.0",
    epoch,
    attach,
    definition: TEST_DEFINITION,
  });
  return attach;
}

const FULL = Uint8Array.of(0x10, 1 | (1 << 2), 0, 50, 7);

test("commands, split and merged over packets, are answered in order", async (t) => {
  const { socket, lines } = await linesBench(t);
  socket.write("PI");
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(
    "NG\r\nwhatever\nAUTH ticket:ann:*\nAUTH x\nAUTH\nSUB x\nSUB nowhere/news\nUNSUB a/b\n\nPING\n",
  );
  for (const expected of [
    "PONG",
    "OK",
    "OK",
    "ERR unauthorized",
    "ERR unauthorized",
    "ERR unknown-topic",
    "ERR unknown-world",
    "OK",
    "OK",
    "PONG",
  ])
    assert.equal(await lines.next(), expected);
});

test("a topic whose world moves goes on with a full line from the next owner", async (t) => {
  const { socket, lines, gameserver, network, placements } = await linesBench(t);
  const next = new FakeGameserver("arena.0");
  next.epoch = 2;
  await next.listen(network.node("g2"));
  socket.write("SUB arena/news\n");
  const attach = await watched(gameserver);
  assert.equal(await lines.next(), "OK");
  const batch = { tick: 9, topics: [{ topic: 0, full: FULL }] };
  gameserver.batch({ ...batch, sessions: [{ attach, slots: [[0, 1]] }] });
  assert.equal(JSON.parse(await lines.next()).full, true);
  gameserver.send({ type: "shard-sealed", shard: "arena.0", epoch: 1, to: "g2" });
  placements.set({ world: "arena", shard: "arena.0", node: "g2", epoch: 2 });
  const again = await watched(next);
  next.batch({ ...batch, tick: 10, sessions: [{ attach: again, slots: [[0, 1]] }] });
  const line = JSON.parse(await lines.next());
  assert.deepEqual([line.full, line.tick], [true, 10]);
  socket.write("PING\n");
  assert.equal(await lines.next(), "PONG");
});

for (const links of linkKinds)
  test(`${links.name}: a subscribed topic comes as JSON, goes on after its owner died, and ends with UNSUB`, async (t) => {
    const { socket, lines, gameserver, network } = await linesBench(t, { links });
    socket.write("SUB arena/news\n");
    const attach = await watched(gameserver);
    assert.equal(gameserver.watches.all[0]?.authorized, false);
    assert.equal(gameserver.watches.all[0]?.topic, "news");
    assert.equal(await lines.next(), "OK");
    gameserver.batch({
      tick: 9,
      topics: [{ topic: 0, full: FULL }],
      sessions: [{ attach, slots: [[0, 1]] }],
    });
    assert.deepEqual(JSON.parse(await lines.next()), {
      world: "arena",
      topic: "news",
      tick: 9,
      full: true,
      enter: [{ id: 50, spot: { x: 7 } }],
      update: [],
      leave: [],
    });
    gameserver.batch({
      tick: 10,
      topics: [{ topic: 0, delta: Uint8Array.of(0x11, 1 << 2, 0, 8) }],
    });
    assert.deepEqual(JSON.parse(await lines.next()).update, [{ id: 50, spot: { x: 8 } }]);

    await gameserver.die();
    const next = new FakeGameserver("arena.0");
    await next.listen(network.node("g1"));
    const again = await watched(next);
    next.batch({
      tick: 3,
      topics: [{ topic: 0, full: FULL }],
      sessions: [{ attach: again, slots: [[0, 1]] }],
    });
    assert.equal(JSON.parse(await lines.next()).full, true);

    socket.write("UNSUB arena/news\n");
    assert.equal(await lines.next(), "OK");
    assert.equal((await next.others.next()).type, "detach");
  });

for (const links of linkKinds)
  test(`${links.name}: a gap asks the shard for full state`, async (t) => {
    const { socket, lines, gameserver } = await linesBench(t, { links });
    socket.write("SUB arena/news\n");
    const attach = await watched(gameserver);
    await lines.next();
    gameserver.batch({
      tick: 9,
      topics: [{ topic: 0, full: FULL }],
      sessions: [{ attach, slots: [[0, 1]] }],
    });
    await lines.next();
    gameserver.batch({
      tick: 12,
      topics: [{ topic: 0, delta: Uint8Array.of(0x11, 1 << 2, 0, 8) }],
    });
    const resync = await gameserver.entries.next();
    assert.equal(resync.attach, attach);
    assert.equal(resync.kind, 7);
  });

for (const links of linkKinds)
  test(`${links.name}: a ticket is shown to the shard, a refusal told; too many topics are refused`, async (t) => {
    const { socket, lines, gameserver } = await linesBench(t, {
      links,
      limits: { watchesPerConnection: 1 },
    });
    socket.write("AUTH ticket:ann:arena\nSUB arena/secret\n");
    assert.equal(await lines.next(), "OK");
    const { attach, authorized } = await gameserver.watches.next();
    assert.equal(authorized, true);
    gameserver.close(attach, "unknown-topic");
    assert.equal(await lines.next(), "ERR unknown-topic");
    socket.write("SUB arena/news\nSUB arena/more\n");
    await watched(gameserver);
    assert.equal(await lines.next(), "OK");
    assert.equal(await lines.next(), "ERR rate-limited");
  });

test("long lines, broken UTF-8 and too many lines end the connection", async (t) => {
  for (const [bytes, code, limits] of [
    [Buffer.alloc(5000, 97), "too-large", {}],
    [Buffer.concat([Buffer.alloc(4097, 97), Buffer.from("\n")]), "too-large", {}],
    [Uint8Array.of(0xff, 10), "bad-message", {}],
    [Buffer.from("a\n".repeat(30)), "rate-limited", { messagesBurst: 20 }],
  ] as const) {
    const { socket, lines, proxy } = await linesBench(t, { limits });
    socket.write(bytes);
    const all = await lines.untilEnd();
    assert.equal(all.at(-1), `ERR ${code}`);
    assert.equal(proxy.counters.closes.get(code), 1);
  }
});
