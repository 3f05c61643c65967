import assert from "node:assert/strict";
import { test } from "node:test";
import { type HostedShard, type Link, NODE_CHANNEL, noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import { AnnouncedPlacements } from "../routing/announced-placements.ts";
import { Hub } from "./hub.ts";

/** A proxy's hub with peers g1 and g2, where gameservers say what a test wants. */
function scene() {
  const clock = new SimClock();
  const random = new SeededRandom(3);
  const network = new SimNetwork({ idleTimeoutMs: 1000, connectTimeoutMs: 50 }, { clock, random });
  const counters = new ProxyCounters();
  const peers = ["g1", "g2"];
  const placements = new AnnouncedPlacements({ peers });
  const hub = new Hub(
    { limits: defaultLimits, peers, announced: true },
    {
      links: network.node({ role: "proxy", node: "p1" }),
      placements,
      hosting: (node, worlds) => placements.announced(node, worlds),
      clock,
      random,
      counters,
      logger: noopLogger,
    },
  );
  const gameserver = async (node: string, accept: (link: Link) => void) => {
    const links: Link[] = [];
    await network.node({ role: "gameserver", node }).listen((link) => {
      links.push(link);
      accept(link);
    });
    return links;
  };
  const elapse = (ms: number) => clock.elapse(ms, settle);
  return { clock, network, counters, placements, hub, gameserver, elapse };
}

function hosts(...worlds: HostedShard[]): (link: Link) => void {
  return (link) => link.channel(NODE_CHANNEL).send({ type: "hosting", worlds });
}

const arena = (epoch: number) => ({ world: "arena", shard: "arena/0", epoch });

/** Where one who wanted into the arena was sent. */
class Visitor {
  readonly sent: string[] = [];
  routed({ shard, epoch }: { shard: string; epoch: number }): void {
    this.sent.push(`${shard} at ${epoch}`);
  }
  refused(why: string): void {
    this.sent.push(why);
  }
  unknownWorld(): void {
    this.sent.push("unknown");
  }
}

test("a link is kept to every peer: opened at the start, and again after a loss, without any client", async () => {
  const { hub, gameserver, network, counters, placements, elapse } = scene();
  const first = await gameserver("g1", hosts(arena(1)));
  hub.start();
  await elapse(1000);
  assert.equal(first.length, 1);
  assert.deepEqual([...counters.linksUp], Object.entries({ g1: 1, g2: 0 }));
  assert.deepEqual(placements.awaited, ["g2"]);
  assert.match(hub.problem("g2") ?? "", /node g2: no answer/);
  assert.equal(hub.problem("g1"), undefined);
  const second = await gameserver("g2", hosts());
  await elapse(3000);
  assert.equal(second.length, 1);
  assert.ok(placements.complete);
  assert.equal(counters.linkReconnects, 0);
  network.kill("g1");
  await elapse(1100);
  assert.equal(counters.linksUp.get("g1"), 0);
  assert.match(hub.problem("g1") ?? "", /nothing was heard|no answer/);
  assert.equal(placements.lookup("arena")?.node, "g1", "its players wait for it");
  const back = await gameserver("g1", hosts(arena(2)));
  await elapse(3000);
  assert.equal(back.length, 1);
  assert.equal(counters.linksUp.get("g1"), 1);
  assert.equal(counters.linkReconnects, 1);
  assert.equal(second.length, 1, "the other one was not touched");
  hub.stop();
});

test("a gameserver that is away is tried with pauses that grow to two seconds, for as long as it takes", async () => {
  const { hub, gameserver, counters, elapse } = scene();
  await gameserver("g2", hosts());
  hub.start();
  await elapse(60_000);
  // 50 ms each, and pauses of 1 to 2 s once they have grown.
  assert.ok(counters.linkFailures > 25 && counters.linkFailures < 65, `${counters.linkFailures}`);
  hub.stop();
});

test("nobody is sent over a link before its list came: the epochs of the last one may be too high", async () => {
  const { hub, gameserver, network, elapse } = scene();
  await gameserver("g1", hosts(arena(7)));
  await gameserver("g2", hosts());
  hub.start();
  await elapse(100);
  const before = new Visitor();
  hub.route(before, "arena", 0);
  assert.deepEqual(before.sent, ["arena/0 at 7"]);
  network.kill("g1");
  await elapse(1100);
  const after = new Visitor();
  hub.route(after, "arena", 0);
  const links = await gameserver("g1", () => undefined);
  await elapse(3000);
  assert.equal(links.length, 1);
  assert.deepEqual(after.sent, []);
  // It was restored from a backup, or began anew.
  hosts(arena(2))(links[0] ?? assert.fail("a link"));
  await elapse(100);
  assert.deepEqual(after.sent, ["arena/0 at 2"]);
  hub.stop();
});

test("who wants to a world that nobody was heard of waits for the last peer's word", async () => {
  const { hub, gameserver, elapse } = scene();
  await gameserver("g1", hosts());
  hub.start();
  await elapse(1000);
  const visitor = new Visitor();
  const lost = new Visitor();
  hub.route(visitor, "arena", 0);
  hub.route(lost, "nowhere", 0);
  assert.deepEqual(visitor.sent, []);
  await gameserver("g2", hosts(arena(1)));
  await elapse(3000);
  assert.deepEqual(visitor.sent, ["arena/0 at 1"]);
  assert.deepEqual(lost.sent, ["unknown"]);
  hub.stop();
});

test("a gameserver that says what no node says loses its link, ever later", async () => {
  const { hub, gameserver, placements, elapse } = scene();
  await gameserver("g2", hosts());
  const links = await gameserver("g1", (link) =>
    link.channel(NODE_CHANNEL).send({ type: "shard-reset", shard: "s", epoch: 1 }),
  );
  hub.start();
  await elapse(20_000);
  assert.equal((await links[0]?.closed)?.code, "bad-message");
  assert.ok(links.length > 5 && links.length < 25, `${links.length} links`);
  assert.deepEqual(placements.awaited, ["g1"]);
  assert.match(hub.problem("g1") ?? "", /"shard-reset" over the channel of the node/);
  hub.stop();
});

test("stop ends links and tries", async () => {
  const { hub, gameserver, clock, elapse } = scene();
  const links = await gameserver("g1", hosts());
  hub.start();
  await elapse(1000);
  hub.stop();
  assert.equal(
    (await clock.drive(links[0]?.closed ?? assert.fail("a link"), settle)).code,
    "closed",
  );
  await elapse(100);
  assert.equal(clock.pending, 0);
});
