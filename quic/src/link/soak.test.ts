import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel, Link, Upstream } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { gameserver, LinkNodes, proxy } from "../testing/link-nodes.ts";
import { CREDIT_DELAY_MS } from "./link-bounds.ts";
import type { QuicNetwork } from "./quic-network.ts";

const message = (epoch: number, bytes: number): Upstream => ({
  type: "upstream",
  shard: "s",
  epoch,
  batch: new Uint8Array(bytes).fill(epoch & 255),
});

/** Two nodes whose time passes only as the test says. */
class Soak {
  readonly clock = new SimClock();
  readonly random: SeededRandom;
  readonly nodes: LinkNodes;
  readonly far: QuicNetwork;
  readonly near: QuicNetwork;
  farLink: Link | undefined;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.nodes = new LinkNodes(
      { maxDelayMs: 3, maxWriteBytes: 30_000, windowBytes: 90_000, pieceBytes: 1000 },
      this,
    );
    const limits = { highWaterBytes: 200_000, maxQueuedBytes: 2_000_000 };
    this.far = this.nodes.node(gameserver, { limits });
    this.near = this.nodes.node(proxy, { limits });
  }

  async pass(ms: number): Promise<void> {
    for (let n = 0; n < ms; n++) {
      this.clock.advance(1);
      await settle();
    }
  }

  async connect(): Promise<Link> {
    const connecting = this.near.connect("g1");
    await this.pass(30);
    return connecting;
  }

  /** Nothing of any link is left. */
  assertEmpty(): void {
    for (const { stats, links } of [this.near, this.far]) {
      assert.equal(stats.queuedBytes, 0);
      assert.equal(stats.opened, stats.closed);
      assert.equal(links.length, 0);
    }
  }
}

/** Sends numbered messages whenever it is not stalled, and checks what comes at the other end. */
class Flow {
  sent = 0;
  seen = 0;
  private isStalled = false;
  private readonly channel: Channel;

  constructor(from: Link, to: Link, name: string, bulk: boolean) {
    this.channel = from.channel(name, { bulk });
    this.channel.onDrain(() => {
      this.isStalled = false;
    });
    to.channel(name).onMessage((m) => {
      assert.equal(m.type, "upstream");
      assert.equal("epoch" in m ? m.epoch : -1, this.seen);
      this.seen += 1;
    });
  }

  send(bytes: number): void {
    if (this.isStalled) return;
    this.isStalled = !this.channel.send(message(this.sent, bytes));
    this.sent += 1;
  }
}

for (const seed of [1, 2, 3])
  test(`seed ${seed}: many channels, both ways, with stalls: all comes once and in order, and the queues are empty again`, async () => {
    const soak = new Soak(seed);
    await soak.far.listen((link) => {
      soak.farLink = link;
    });
    const near = await soak.connect();
    const far = soak.farLink;
    assert.ok(far);
    const flows = Array.from({ length: 12 }, (_, n) =>
      n % 2 === 0 ? new Flow(near, far, `c${n}`, n % 4 === 0) : new Flow(far, near, `c${n}`, false),
    );
    for (let turn = 0; turn < 300; turn++) {
      for (const flow of flows)
        for (let n = soak.random.int(0, 3); n > 0; n--)
          flow.send(soak.random.float() < 0.1 ? soak.random.int(20_000, 90_000) : 40);
      await soak.pass(1);
    }
    await soak.pass(2000);
    for (const { sent, seen } of flows) assert.equal(seen, sent);
    assert.ok(soak.near.stats.stalls > 0, "nobody was stalled");
    assert.equal(soak.near.stats.queuedBytes, 0);
    assert.equal(soak.far.stats.queuedBytes, 0);
    assert.equal(soak.near.links[0]?.queuedBytes, 0);
    assert.deepEqual(soak.nodes.faults, []);
    near.close({ code: "closed" });
    await soak.pass(20);
    soak.assertEmpty();
  });

test("links that come and go, with messages under way, leave nothing behind", async () => {
  const soak = new Soak(5);
  await soak.far.listen((link) => {
    soak.farLink = link;
    link.channel("x").onMessage(() => {});
  });
  for (let round = 0; round < 60; round++) {
    const near = await soak.connect();
    for (let n = 0; n < 20; n++) near.channel(n % 2 === 0 ? "x" : "nobody").send(message(n, 9000));
    near.channel("bulk", { bulk: true }).send(message(1, 1_500_000));
    await soak.pass(soak.random.int(0, 6));
    if (round % 3 === 0) near.close({ code: "closed" });
    else if (round % 3 === 1) soak.farLink?.close({ code: "refused", detail: "enough" });
    await soak.pass(10);
    // In the last case the next link takes its place.
    if (round % 3 !== 2) soak.assertEmpty();
  }
  const stopping = soak.nodes.stop();
  await soak.pass(10);
  await stopping;
  soak.assertEmpty();
});

test("a cut that heals in time loses nothing; one that lasts ends the link as peer-gone on both sides", async () => {
  const soak = new Soak(9);
  await soak.far.listen((link) => {
    soak.farLink = link;
  });
  const near = await soak.connect();
  const far = soak.farLink;
  assert.ok(far);
  const flow = new Flow(near, far, "x", false);
  const { hub } = soak.nodes;
  for (let n = 0; n < 50; n++) flow.send(5000);
  hub.cut(1000);
  await soak.pass(500);
  const before = flow.seen;
  assert.ok(before < flow.sent);
  hub.heal();
  await soak.pass(200);
  assert.equal(flow.seen, flow.sent);
  hub.cut(1000);
  for (let n = 0; n < 10; n++) flow.send(5000);
  const gone = { code: "peer-gone", detail: "nothing was heard from the peer (idle timeout)" };
  await soak.pass(1100);
  assert.deepEqual(await near.closed, gone);
  assert.deepEqual(await far.closed, gone);
  soak.assertEmpty();
  const again = await soak.connect();
  assert.ok(again.generation > near.generation);
});

test("a handler that throws loses its own message and no other", async () => {
  const soak = new Soak(8);
  const seen: number[] = [];
  await soak.far.listen((link) => {
    link.channel("x").onMessage((m) => {
      if ("epoch" in m && m.epoch === 1) throw new Error("a fault of the handler");
      seen.push("epoch" in m ? m.epoch : -1);
    });
    link.channel("y").onMessage(() => seen.push(100));
  });
  const near = await soak.connect();
  for (let n = 0; n < 4; n++) near.channel("x").send(message(n, 10));
  near.channel("y").send(message(0, 10));
  await soak.pass(CREDIT_DELAY_MS + 15);
  assert.deepEqual(seen.toSorted(), [0, 100, 2, 3]);
  assert.equal(soak.near.stats.queuedBytes, 0);
  assert.equal(soak.nodes.faults.length, 1);
});

test("what comes at every tick is reported a few times a second", async () => {
  const soak = new Soak(9);
  await soak.far.listen((link) => link.channel("x").onMessage(() => {}));
  const near = await soak.connect();
  const { stats } = soak.near;
  let reports = 0;
  for (let tick = 0; tick < 40; tick++) {
    near.channel("x").send(message(tick, 500));
    for (let ms = 0; ms < 50; ms++) {
      const { queuedBytes } = stats;
      await soak.pass(1);
      if (stats.queuedBytes < queuedBytes) reports += 1;
    }
  }
  assert.ok(reports > 1 && reports <= 10, `${reports} reports`);
  await soak.pass(CREDIT_DELAY_MS + 15);
  assert.equal(stats.queuedBytes, 0);
});
