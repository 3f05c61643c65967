import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Link,
  type LinkMessage,
  migrationKey,
  NODE_CHANNEL,
  noopLogger,
  SHARDS,
  shardChannel,
  worldKey,
} from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import { WATCHED_PREFIXES, WatchedPlacements } from "../routing/watched-placements.ts";
import { FakeControlStore } from "../testing/fake-control-store.ts";
import { Hub, type RoutedClient } from "./hub.ts";
import type { ShardClient, ShardPort } from "./shard-port.ts";

const SHARD = "arena/0";

/** A proxy's hub over placements that a store tells, the gameservers g1 and g2, and one who plays. */
async function scene(clock = new SimClock()) {
  const random = new SeededRandom(3);
  const network = new SimNetwork({ idleTimeoutMs: 1000, connectTimeoutMs: 50 }, { clock, random });
  const counters = new ProxyCounters();
  const store = new FakeControlStore();
  const placements = new WatchedPlacements();
  const hub = new Hub(
    { limits: defaultLimits, peers: [], announced: false },
    {
      links: network.node({ role: "proxy", node: "p1" }),
      placements,
      hosting: () => assert.fail("nobody listens to lists"),
      clock,
      random,
      counters,
      logger: noopLogger,
    },
  );
  const attaches: string[] = [];
  const links = new Map<string, Link[]>();
  const gameserver = async (node: string) => {
    const opened: Link[] = [];
    links.set(node, opened);
    await network.node({ role: "gameserver", node }).listen((link) => {
      opened.push(link);
      link.channel(shardChannel(SHARD)).onMessage((message: LinkMessage) => {
        if (message.type === "watch") attaches.push(`${node} at ${message.epoch}`);
      });
    });
  };
  await gameserver("g1");
  await gameserver("g2");
  store.node("g1");
  store.node("g2");
  store.world("arena");
  const complete = () => {
    for (const prefix of WATCHED_PREFIXES) {
      const items = store.tiny.keys(prefix).flatMap((key) => store.tiny.get(key) ?? []);
      placements.read(prefix, store.tiny.revision, items);
    }
    store.tiny.onChanges = (changes) => placements.changed(store.tiny.revision, changes);
  };
  const elapse = (ms: number) => clock.elapse(ms, settle);
  hub.start();
  return { clock, network, store, placements, hub, links, attaches, counters, complete, elapse };
}

/** Attaches wherever it is sent, and goes on when that is lost. */
class TestPlayer implements RoutedClient, ShardClient {
  port: ShardPort | undefined;
  attach = 0;
  losses = 0;
  unknown = 0;
  readonly refusals: string[] = [];
  private readonly hub: Hub;

  constructor(hub: Hub) {
    this.hub = hub;
  }

  join(): void {
    this.hub.route(this, "arena", 0);
  }

  routed(port: ShardPort): void {
    this.port = port;
    this.attach = port.attach(this, { type: "watch", topic: "scores", authorized: true });
  }

  refused(why: string): void {
    this.refusals.push(why);
  }

  unknownWorld(): void {
    this.unknown += 1;
  }

  lost(): void {
    this.losses += 1;
    this.port = undefined;
    this.join();
  }

  shardMessage(): void {}
  congested(): void {}
  uncongested(): void {}
}

test("an owner that moves takes everybody along, once; the old one's words find nobody", async () => {
  const { store, hub, attaches, links, complete, counters, elapse } = await scene();
  const first = store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  assert.deepEqual(attaches, [`g1 at ${first}`]);
  const second = store.own("arena", "g2");
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g2 at ${second}`]);
  assert.equal(player.losses, 1);
  const [old] = links.get("g1") ?? [];
  old?.channel(shardChannel(SHARD)).send({ type: "shard-reset", shard: SHARD, epoch: first });
  await elapse(100);
  assert.equal(counters.staleMessages, 1);
  assert.deepEqual([player.losses, player.port?.epoch], [1, second]);
  // And back again, over the link that still stands.
  const third = store.own("arena", "g1");
  await elapse(100);
  assert.deepEqual(attaches.slice(2), [`g1 at ${third}`]);
  assert.equal(links.get("g1")?.length, 1);
  hub.stop();
});

test("an owner that goes on at another epoch is attached to anew", async () => {
  const { store, hub, attaches, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  const epoch = store.own("arena", "g1");
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g1 at ${epoch}`]);
  hub.stop();
});

test("without an owner players wait, also those who come then; a lost node is unlinked", async () => {
  const { store, hub, attaches, links, counters, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  const [player, late] = [new TestPlayer(hub), new TestPlayer(hub)];
  player.join();
  await elapse(100);
  assert.deepEqual([...counters.linksUp], [["g1", 1]]);
  store.node("g1", { state: "lost" });
  late.join();
  await elapse(5_000);
  assert.deepEqual([player.losses, player.unknown, late.unknown], [1, 0, 0]);
  assert.equal((await links.get("g1")?.[0]?.closed)?.code, "closed");
  assert.deepEqual([...counters.linksUp], [["g1", 0]]);
  assert.equal(counters.linkFailures, 0, "to let go of it is no failure");
  const epoch = store.own("arena", "g2");
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g2 at ${epoch}`, `g2 at ${epoch}`]);
  hub.stop();
});

test("what becomes of a link that was being opened to a former life of a node does not count for the next", async () => {
  const { network, store, hub, links, attaches, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  network.cut("p1", "g1");
  const [player, late] = [new TestPlayer(hub), new TestPlayer(hub)];
  player.join();
  await elapse(10);
  store.node("g1", { state: "lost" });
  network.healAll();
  store.node("g1");
  const epoch = store.own("arena", "g1");
  // The first attempt gets no answer, and says so while the second one's link stands.
  await elapse(500);
  late.join();
  await elapse(500);
  assert.deepEqual(attaches, [`g1 at ${epoch}`, `g1 at ${epoch}`]);
  assert.equal(links.get("g1")?.length, 1);
  network.kill("g1");
  await elapse(3_000);
  assert.deepEqual([player.losses, late.losses], [1, 1]);
  hub.stop();
});

test("a released shard's players wait on links that stay", async () => {
  const { store, hub, attaches, links, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  store.own("arena", "g1", { state: "released" });
  assert.deepEqual([player.losses, player.port], [1, undefined]);
  const epoch = store.own("arena", "g1");
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g1 at ${epoch}`]);
  assert.equal(links.get("g1")?.length, 1);
  hub.stop();
});

test("a gameserver that dies before anybody declares it lost: its players wait for the link, then go to the next owner", async () => {
  const { network, store, hub, attaches, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  network.kill("g1");
  await elapse(3_000);
  assert.equal(player.losses, 1);
  store.node("g1", { state: "lost" });
  const epoch = store.own("arena", "g2");
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g2 at ${epoch}`]);
  hub.stop();
});

test("a world of the catalogue is waited for, another one is unknown; before all is read nothing is", async () => {
  const { store, hub, placements, attaches, complete, elapse } = await scene();
  const [early, nowhere] = [new TestPlayer(hub), new TestPlayer(hub)];
  early.join();
  hub.route(nowhere, "cave", 0);
  await elapse(1_000);
  assert.deepEqual([early.unknown, nowhere.unknown, placements.complete], [0, 0, false]);
  complete();
  await elapse(1_000);
  assert.deepEqual([early.refusals, nowhere.refusals], [[], ["removed"]]);
  const epoch = store.own("arena", "g2");
  await elapse(100);
  assert.deepEqual(attaches, [`g2 at ${epoch}`]);
  hub.stop();
});

test("a world that is not in the catalogue may be one that was not heard of yet", async () => {
  const { store, hub, attaches, complete, elapse } = await scene();
  store.put({ type: "delete", key: worldKey("arena") });
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(900);
  hub.sweep();
  assert.deepEqual(player.refusals, []);
  store.world("arena");
  const epoch = store.own("arena", "g1");
  await elapse(1_000);
  assert.deepEqual([player.refusals, attaches], [[], [`g1 at ${epoch}`]]);
  hub.stop();
});

test("who waits for a world that is stopped hears so at once, for one that is removed a moment later", async () => {
  for (const [why, change] of [
    ["disabled", (s: FakeControlStore) => s.world("arena", { enabled: false })],
    ["removed", (s: FakeControlStore) => s.put({ type: "delete", key: worldKey("arena") })],
  ] as const) {
    const { store, hub, complete, elapse } = await scene();
    store.own("arena", "g1");
    complete();
    const [player, late] = [new TestPlayer(hub), new TestPlayer(hub)];
    player.join();
    await elapse(100);
    change(store);
    await elapse(1_000);
    assert.deepEqual(player.refusals, [], "its owner may still serve it");
    store.own("arena", "g1", { state: "released" });
    late.join();
    if (why === "removed") {
      assert.deepEqual([player.refusals, late.refusals], [[], []]);
      await elapse(1_000);
      hub.sweep();
    }
    assert.deepEqual([player.losses, player.refusals, late.refusals], [1, [why], [why]]);
    hub.stop();
  }
});

test("a world that is to run again is waited for", async () => {
  const { store, hub, attaches, complete, elapse } = await scene();
  store.world("arena", { enabled: false });
  complete();
  store.world("arena", { enabled: true });
  const player = new TestPlayer(hub);
  player.join();
  store.world("arena", { enabled: false });
  assert.deepEqual(player.refusals, ["disabled"]);
  store.world("arena", { enabled: true });
  player.join();
  const epoch = store.own("arena", "g1");
  await elapse(100);
  assert.deepEqual(attaches, [`g1 at ${epoch}`]);
  hub.stop();
});

test("a shard that is being moved: the link stands before, and the new owner's word is enough", async () => {
  const { store, hub, attaches, links, placements, complete, counters, elapse } = await scene();
  const first = store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  const { onChanges } = store.tiny;
  store.migrate("arena", { from: "g1", to: "g2", epoch: first });
  await elapse(100);
  assert.equal(links.get("g2")?.length, 1, "before anybody wants there");
  // The watch is late from here on.
  store.tiny.onChanges = undefined;
  store.put({ type: "delete", key: migrationKey(SHARD) });
  const second = store.own("arena", "g2");
  const says = (epoch: number) =>
    links
      .get("g2")?.[0]
      ?.channel(NODE_CHANNEL)
      .send({ type: "placed", world: "arena", shard: SHARD, epoch });
  says(first);
  await elapse(100);
  assert.equal(player.losses, 0, "not above what is known");
  says(second);
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g2 at ${second}`]);
  assert.equal(player.losses, 1);
  const [old] = links.get("g1") ?? [];
  old?.channel(shardChannel(SHARD)).send({ type: "shard-reset", shard: SHARD, epoch: first });
  await elapse(100);
  assert.equal(counters.staleMessages, 1);
  // What the watch says then is the same, and changes nothing.
  store.tiny.onChanges = onChanges;
  placements.read(SHARDS, store.tiny.revision, store.all(SHARDS));
  await elapse(100);
  assert.deepEqual([player.losses, attaches.length, placements.targetOf(SHARD)], [1, 2, undefined]);
  hub.stop();
});

test("a shard that is mirrored: the link to its mirror stands, and its word that it took over is enough", async () => {
  const { store, hub, attaches, links, complete, elapse } = await scene();
  const first = store.own("arena", "g1");
  complete();
  const player = new TestPlayer(hub);
  player.join();
  await elapse(100);
  store.mirror("arena", { node: "g2", epoch: first, state: "asked" });
  await elapse(100);
  assert.equal(links.get("g2")?.length ?? 0, 0, "it is not in sync");
  store.mirror("arena", { node: "g2", epoch: first, state: "in-sync" });
  await elapse(100);
  assert.equal(links.get("g2")?.length, 1);
  // The watch is late from here on.
  store.tiny.onChanges = undefined;
  const epoch = store.own("arena", "g2");
  links
    .get("g2")?.[0]
    ?.channel(NODE_CHANNEL)
    .send({ type: "placed", world: "arena", shard: SHARD, epoch });
  await elapse(100);
  assert.deepEqual(attaches.slice(1), [`g2 at ${epoch}`]);
  hub.stop();
});

test("a node that is mistaken about its ownership is corrected by the watch; players go back", async () => {
  const { store, hub, attaches, links, placements, complete, elapse } = await scene();
  const first = store.own("arena", "g1");
  store.world("cave");
  store.own("cave", "g2");
  complete();
  const [player, other] = [new TestPlayer(hub), new TestPlayer(hub)];
  player.join();
  hub.route(other, "cave", 0);
  await elapse(100);
  const wrong = store.tiny.revision + 1;
  links
    .get("g2")?.[0]
    ?.channel(NODE_CHANNEL)
    .send({ type: "placed", world: "arena", shard: SHARD, epoch: wrong });
  await elapse(100);
  assert.deepEqual(attaches.slice(-1), [`g2 at ${wrong}`]);
  placements.passed(SHARDS, wrong);
  await elapse(100);
  assert.deepEqual(attaches.slice(-1), [`g1 at ${first}`]);
  assert.equal(player.port?.epoch, first);
  hub.stop();
});

test("a link to where nobody here wants is not opened", async () => {
  const { store, hub, links, complete, elapse } = await scene();
  const epoch = store.own("arena", "g1");
  complete();
  store.migrate("arena", { from: "g1", to: "g2", epoch });
  await elapse(100);
  assert.deepEqual(links.get("g2"), []);
  // Who comes while it is being moved brings the link about.
  new TestPlayer(hub).join();
  await elapse(100);
  assert.equal(links.get("g2")?.length, 1);
  hub.stop();
});

test("who may be routed a moment after another is, although that moment is over by then", async () => {
  const { clock, store, hub, complete, elapse } = await scene(new SimClock({ lookMs: 0.01 }));
  store.own("arena", "g1");
  complete();
  await elapse(100);
  const now = clock.now();
  const players = [15, 15.001, 15.002].map((ms) => {
    const player = new TestPlayer(hub);
    hub.route(player, "arena", now + ms);
    return player;
  });
  await elapse(100);
  assert.deepEqual(
    players.map(({ port }) => port !== undefined),
    [true, true, true],
  );
  hub.stop();
});

test("those who come back at a time of their own are routed then, each at his", async () => {
  const { clock, store, hub, complete, elapse } = await scene();
  store.own("arena", "g1");
  complete();
  new TestPlayer(hub).join();
  await elapse(100);
  const now = clock.now();
  const players = [60, 15, 250].map((ms) => {
    const player = new TestPlayer(hub);
    hub.route(player, "arena", now + ms);
    return player;
  });
  for (const [ms, routed] of [
    [14, 0],
    [1, 1],
    [45, 2],
    [190, 3],
  ] as const) {
    await elapse(ms);
    assert.equal(players.filter(({ port }) => port !== undefined).length, routed);
  }
  hub.stop();
});
