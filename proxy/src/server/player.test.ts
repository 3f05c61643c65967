import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type CborValue, noopLogger, type TicketKeys, UpstreamKind } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { LinkKind } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import { ByteReader, type CloseCode } from "@atlasnet/world";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import type { ClientConnection, DatagramPort, SentUpdates } from "../gateway/client-connection.ts";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import { NOTHING_RETURNED } from "../session/returned.ts";
import { Arrivals } from "../testing/arrivals.ts";
import { FakeGameserver, FakePlacements } from "../testing/fake-shard.ts";
import { readCbor } from "../testing/read-cbor.ts";
import { cbor, hello } from "../testing/test-clients.ts";
import { testNetwork } from "../testing/test-network.ts";
import { plainKeys } from "../testing/test-proxy.ts";
import { testTracing } from "../testing/test-tracing.ts";
import { Hub } from "./hub.ts";
import { Player } from "./player.ts";
import { Stalls } from "./stalls.ts";

const u8 = Uint8Array.of.bind(Uint8Array);

/** A connection that a test looks into. */
class FakeConnection implements ClientConnection {
  readonly transport: ClientConnection["transport"] = "framed";
  readonly remoteAddress = "192.0.2.1";
  readonly framing = "length";
  readonly items = new Arrivals<readonly CborValue[]>();
  closing = false;
  backlogBytes = 0;
  closed: CloseCode | undefined;

  send(item: Uint8Array): void {
    const message = readCbor(item);
    assert.ok(Array.isArray(message));
    this.items.add(message);
  }
  sendFrames(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    while (reader.remaining > 0) this.send(reader.block(1e9));
  }
  close(code: CloseCode): void {
    this.closing = true;
    this.closed = code;
  }
  pause(): void {}
  resume(): void {}
}

class FakeUdpConnection extends FakeConnection {
  override readonly transport = "udp";
  readonly updates = new Arrivals<{ packed: Uint8Array; sent: SentUpdates }>();
  readonly datagrams: DatagramPort = {
    maxUpdatesBytes: 50,
    sendUpdates: (packed, sent) => this.updates.add({ packed: packed.slice(), sent }),
  };
}

async function start(
  t: TestContext,
  {
    connection,
    links,
    keys = plainKeys,
  }: { connection: FakeConnection; links: LinkKind; keys?: TicketKeys },
) {
  const network = await testNetwork(links);
  t.after(() => network.stop());
  const gameserver = new FakeGameserver("arena.0");
  await gameserver.listen(network.node("g1"));
  const placements = new FakePlacements();
  placements.set({ world: "arena", shard: "arena.0", node: "g1", epoch: 1 });
  const counters = new ProxyCounters();
  const common = { clock: systemClock, counters, logger: noopLogger };
  const stalls = new Stalls();
  const hub = new Hub(
    { limits: defaultLimits, peers: [], announced: false },
    { ...common, links: network.proxy, placements, random: systemRandom, hosting: () => undefined },
  );
  t.after(() => hub.stop());
  const { tracing, spans } = testTracing(counters);
  const player = new Player(
    connection,
    { limits: defaultLimits, allowGuests: true, endpoints: [] },
    {
      ...common,
      hub,
      keys,
      random: systemRandom,
      tracer: trace.getTracer("test"),
      tracing,
      stalls,
    },
  );
  return { player, gameserver, counters, tracing, spans };
}

for (const links of linkKinds)
  test(`${links.name}: updates are held with the frames until the welcome; lost ones come again in frames`, async (t) => {
    const connection = new FakeUdpConnection();
    let sign: (token: string) => void = () => assert.fail("nobody asked for a token");
    const asked = new Arrivals<true>();
    const signResume = () => {
      asked.add(true);
      return new Promise<string>((resolve) => {
        sign = resolve;
      });
    };
    const { player, gameserver, counters } = await start(t, {
      connection,
      links,
      keys: { ...plainKeys, signResume },
    });
    player.message(cbor(hello("arena")));
    const { attach } = await gameserver.attaches.next();
    await asked.next();
    gameserver.batch({
      tick: 101,
      topics: [{ topic: 3, full: u8(0) }],
      sessions: [{ attach, slots: [[0, 4]] }],
    });
    gameserver.batch({ tick: 102, topics: [{ topic: 3, delta: u8(1) }] });
    while (counters.downstreamBatches < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(connection.items.all, []);
    sign("token");
    assert.equal((await connection.items.next())[0], 5);
    assert.deepEqual(await connection.items.next(), [1, u8(101, 1, 1, 0, 4, 1, 0)]);
    assert.deepEqual(await connection.items.next(), [10, u8(102, 3, 1, 1, 1)]);

    gameserver.batch({ tick: 103, topics: [{ topic: 3, delta: u8(1) }] });
    const sent = { tick: 103, topics: [3] };
    const updates = await connection.updates.next();
    assert.deepEqual(updates, { packed: u8(103, 3, 1, 1, 1), sent });
    player.updatesLost(updates.sent);
    assert.deepEqual(await connection.items.next(), [10, u8(103, 3, 1, 1, 1)]);
    assert.deepEqual([counters.updatesLost, counters.updatesMended], [1, 1]);

    // Too long ago: the shard is asked for full state.
    player.updatesLost({ tick: 99, topics: [3] });
    assert.equal(counters.mendsAsked, 0, "it came in full since");
    gameserver.batch({ tick: 300 });
    while (counters.downstreamBatches < 4) await new Promise((resolve) => setImmediate(resolve));
    player.updatesLost({ tick: 200, topics: [3] });
    const { kind } = await gameserver.entries.next();
    assert.deepEqual([kind, counters.mendsAsked], [UpstreamKind.resync, 1]);

    // Of a connection that is on its way to another owner nothing is mended.
    player.lost(NOTHING_RETURNED);
    player.updatesLost(sent);
    assert.equal(counters.updatesMended, 1);
  });

for (const links of linkKinds)
  test(`${links.name}: an input that has no place is dropped where inputs may be late, and ends other connections`, async (t) => {
    const connection = new FakeUdpConnection();
    const { player, gameserver } = await start(t, { connection, links });
    const input = (n: number) => player.message(cbor([5, n, 0, u8(n)]));
    input(1);
    player.message(cbor(hello("arena")));
    input(2);
    assert.equal((await connection.items.next())[0], 5);
    input(3);
    const taken = await gameserver.entries.next();
    assert.deepEqual([taken.kind, taken.n], [UpstreamKind.input, 3]);
    player.message(cbor([6]));
    input(4);
    assert.equal((await connection.items.next())[0], 6);
    input(5);
    assert.equal(connection.closed, undefined);
    // What is not an input still has its order.
    player.message(cbor([3, 1, 1]));
    assert.equal(connection.closed, "out-of-state");

    const framed = new FakeConnection();
    const other = await start(t, { connection: framed, links });
    other.player.message(cbor([5, 1, 0, u8(1)]));
    assert.equal(framed.closed, "out-of-state");
  });

for (const links of linkKinds)
  test(`${links.name}: a message is traced until it left, also while it waits for the owner`, async (t) => {
    const connection = new FakeConnection();
    const { player, gameserver, spans, tracing } = await start(t, { connection, links });
    const say = (seq: number) => player.message(cbor([2, seq, 0, u8(seq)]));
    player.message(cbor(hello("arena")));
    assert.equal((await connection.items.next())[0], 5);
    say(1);
    assert.equal((await gameserver.entries.next()).n, 1);
    const [first] = spans();
    const { attach } = await gameserver.attaches.next();
    const session = Number(first?.attributes["session"]);
    const facts = { world: "arena", session, transport: "framed", shard: "arena.0" };
    assert.deepEqual(first?.attributes, { ...facts, seq: 1, attach });

    player.lost(NOTHING_RETURNED);
    say(2);
    assert.equal((await gameserver.entries.next()).n, 2);
    const again = await gameserver.attaches.next();
    assert.deepEqual(spans()[1]?.attributes, {
      ...facts,
      seq: 2,
      kept: true,
      attach: again.attach,
    });

    // On another timeline what was kept is dropped.
    gameserver.timeline = 2;
    player.lost(NOTHING_RETURNED);
    say(3);
    await gameserver.attaches.next();
    assert.equal((await connection.items.next())[0], 5);
    assert.equal((await connection.items.next())[0], 5);
    const lost = (message: string) => ({ code: SpanStatusCode.ERROR, message });
    assert.deepEqual(spans()[2]?.status, lost("the world went back"));
    player.message(cbor([3, 0, 2]));

    player.lost(NOTHING_RETURNED);
    say(4);
    player.closed();
    assert.deepEqual(spans()[3]?.status, lost("the player is gone"));
    tracing.stop();
    assert.equal(spans().length, 4, "none was left open");
  });
