import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readDownstreamHead } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import { type LinkKind, reached } from "@atlasnet/core/testing";
import { ByteReader } from "@atlasnet/world";
import { startAbandoningLine } from "./abandoning-line.ts";
import { assertAllIsWell } from "./all-is-well.ts";
import type { Passing } from "./cut-network.ts";
import { CLUSTER_PEERS, TestCluster } from "./test-cluster.ts";

/** Tests wait for ticks and timers, not for the processor. */
const AT_ONCE = 3;

/** The tick and topics of a batch for clients. */
function batchOf({ message }: Passing): { tick: number; topics: number[] } | undefined {
  if (message.type !== "downstream") return undefined;
  const reader = new ByteReader(message.batch);
  const { tick } = readDownstreamHead(reader);
  const topics: number[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    topics.push(reader.varint());
    reader.block(1e7);
    reader.block(1e7);
  }
  return { tick, topics };
}

/**
 * What several gameservers and proxies promise together, over links of any kind: sessions, topics, and
 * coming back, while links are cut and clients go missing.
 */
export function clusterSuite(links: LinkKind): void {
  describe(`cluster: ${links.name}`, { concurrency: AT_ONCE }, () => declare(links));
}

function declare(links: LinkKind): void {
  test(`${links.name}: two gameservers with two worlds each, behind one proxy that was there before them`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    const { proxy, address } = await cluster.proxy("p1", ["g1", "g2"]);
    await cluster.gameserver("g1", ["north", "east"]);
    await reached(() => proxy.counters.linksUp.get("g1") === 1);
    // A world that is not there yet is not unknown before everybody was heard.
    const early = cluster.player(address, "south");
    await reached(() => !proxy.ready().ok && proxy.counters.openFramed === 1);
    const readiness = proxy.ready();
    assert.ok(!readiness.ok);
    assert.match(readiness.reason, /^no word yet from g2 \(.*g2/);
    await cluster.gameserver("g2", ["south", "west"]);
    await proxy.heard();
    assert.deepEqual(proxy.ready(), { ok: true });
    const south = await early;
    const [north, east, west] = await Promise.all(
      ["north", "east", "west"].map((world) => cluster.player(address, world)),
    );
    assert.ok(north !== undefined && east !== undefined && west !== undefined);
    const players = [north, east, south, west];
    assert.deepEqual(
      [...proxy.counters.linksUp],
      [
        ["g1", 1],
        ["g2", 1],
      ],
    );
    for (const player of players) player.talk(20);
    await reached(() => south.said.length >= 5);
    // The worlds of the other gameserver do not notice.
    cluster.network.cut("p1", "g2");
    await Promise.all(players.map((player) => assertAllIsWell([player])));
    assert.equal(proxy.counters.reattaches, 2);
    assert.equal(proxy.counters.linkReconnects, 1);
    for (const { drops } of players) assert.equal(drops, 0, "no socket was touched");
    const unknown = cluster.player(address, "nowhere");
    await assert.rejects(unknown, /unknown-world|no world named/);
  });

  test(`${links.name}: a world that is opened later is announced, and a changed module attaches players anew`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    const gameserver = await cluster.gameserver("g1", ["north"]);
    const { proxy, address } = await cluster.proxy("p1", ["g1"]);
    await proxy.heard();
    await cluster.open(gameserver, "south");
    const hosted: string[][] = [];
    cluster.network.watch = ({ message }) => {
      if (message.type === "hosting")
        hosted.push(message.worlds.map(({ world, epoch }) => `${world} ${epoch}`));
    };
    const player = await cluster.player(address, "south");
    player.talk(20);
    await reached(() => player.said.length >= 5);
    await gameserver.swap("south", gameserver.hosted[1]?.file ?? "");
    await assertAllIsWell([player]);
    assert.deepEqual(hosted, [["north 1", "south 2"]]);
    assert.equal(player.drops, 0);
  });

  test(`${links.name}: two proxies before one gameserver: everything goes once per proxy and tick, however many play`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    await cluster.gameserver("g1", ["north"]);
    const proxies = [await cluster.proxy("p1", ["g1"]), await cluster.proxy("p2", ["g1"])];
    const batches = new Map<string, { tick: number; topics: number[] }[]>();
    cluster.network.watch = (passing) => {
      const batch = batchOf(passing);
      if (batch === undefined) return;
      const before = batches.get(passing.to);
      if (before === undefined) batches.set(passing.to, [batch]);
      else before.push(batch);
    };
    const [p1, p2] = proxies;
    const players = await Promise.all(
      [p1, p1, p1, p1, p2].map((proxy) => cluster.player(proxy?.address ?? "", "north")),
    );
    for (const player of players) player.talk(30);
    await assertAllIsWell(players);
    assert.deepEqual([...batches.keys()].sort(), ["p1", "p2"]);
    for (const [proxy, sent] of batches) {
      assert.ok(sent.length > 30);
      const ticks = sent.map(({ tick }) => tick);
      assert.equal(new Set(ticks).size, ticks.length, `a tick went to ${proxy} twice`);
      for (const { topics } of sent) assert.equal(new Set(topics).size, topics.length);
      assert.ok(sent.some(({ topics }) => topics.length > 1));
    }
  });

  test(`${links.name}: links that are cut again and again in the midst of traffic: all arrives once and in order`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    const { network } = cluster;
    await cluster.gameserver("g1", ["north"]);
    const [p1, p2] = [await cluster.proxy("p1", ["g1"]), await cluster.proxy("p2", ["g1"])];
    const players = await Promise.all(
      [p1, p1, p2].map(({ address }) => cluster.player(address, "north")),
    );
    const random = new SeededRandom(4);
    const cuts = { p1: 0, p2: 0 };
    const left = { p1: 0, p2: 0 };
    network.watch = ({ from, to }) => {
      const proxy = from === "p1" || to === "p1" ? "p1" : "p2";
      if (cuts[proxy] >= 15) return;
      if (left[proxy] === 0) left[proxy] = random.int(1, 40);
      left[proxy] -= 1;
      if (left[proxy] > 0) return;
      cuts[proxy] += 1;
      // This very message is lost, and all that is on its way.
      queueMicrotask(() => network.cut(proxy, "g1"));
    };
    for (const player of players) player.talk(1e6);
    await reached(() => cuts.p1 === 15 && cuts.p2 === 15);
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    for (const { proxy } of [p1, p2]) assert.ok(proxy.counters.linkReconnects > 10);
    for (const { drops } of players) assert.equal(drops, 0, "no socket was touched");
  });

  test(`${links.name}: a client that went on to another proxy is not disturbed by what the first one still has of it`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    await cluster.gameserver("g1", ["north"]);
    const second = await cluster.proxy("p2", ["g1"]);
    const first = await cluster.proxy("p1", ["g1"], {
      endpoints: [second.address],
    });
    const line = await startAbandoningLine(first.address);
    cluster.undo(() => line.stop());
    const player = await cluster.player(line.address, "north");
    player.talk(60);
    await reached(() => player.said.length >= 5);
    line.hold();
    const before = player.sent;
    await reached(() => player.sent >= before + 5);
    line.abandon();
    // It still holds the old connection when the client comes in elsewhere.
    await reached(() => second.proxy.counters.attaches === 1);
    line.arrive();
    await reached(() => line.deserted);
    assert.equal(first.proxy.counters.closes.get("superseded"), 1);
    await assertAllIsWell([player]);
    assert.equal(player.drops, 1, player.dropReasons.join("; "));
  });

  test(`${links.name}: a proxy whose link was down while its client went elsewhere does not take the session back`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    await cluster.gameserver("g1", ["north"]);
    const second = await cluster.proxy("p2", ["g1"]);
    const first = await cluster.proxy("p1", ["g1"], {
      endpoints: [second.address],
    });
    const line = await startAbandoningLine(first.address);
    cluster.undo(() => line.stop());
    const player = await cluster.player(line.address, "north");
    player.talk(60);
    await reached(() => player.said.length >= 5);
    cluster.network.sever("p1", "g1");
    line.hold();
    const before = player.sent;
    await reached(() => player.sent >= before + 5);
    line.abandon();
    const said = player.said.length;
    await reached(() => player.said.length > said);
    // What the first proxy keeps for its world until it has a link again.
    line.arrive();
    cluster.network.mend("p1", "g1");
    await reached(() => line.deserted);
    assert.equal(first.proxy.counters.closes.get("stale-attempt"), 1);
    await assertAllIsWell([player]);
    assert.equal(player.drops, 1, player.dropReasons.join("; "));
  });

  test(`${links.name}: a link that is down for too long: players come back by another way, to the same session`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    await cluster.gameserver("g1", ["north"]);
    const second = await cluster.proxy("p2", ["g1"]);
    const first = await cluster.proxy("p1", ["g1"], {
      endpoints: [second.address],
      limits: { unavailableTimeoutMs: 2_000, attachBufferBytes: 2_000 },
    });
    // From here on its time for the world counts.
    await first.proxy.heard();
    const player = await cluster.player(first.address, "north");
    player.talk(60);
    await reached(() => player.said.length >= 5);
    cluster.network.sever("p1", "g1");
    await reached(() => second.proxy.counters.attaches === 1);
    assert.equal(first.proxy.counters.closes.get("world-unavailable"), 1);
    await assertAllIsWell([player]);
    assert.equal(player.drops, 1, player.dropReasons.join("; "));
  });
}
