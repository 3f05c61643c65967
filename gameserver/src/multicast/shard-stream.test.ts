import assert from "node:assert/strict";
import { test } from "node:test";
import { InProcessNetwork, type Link, type LinkMessage, noopLogger } from "@atlasnet/core";
import { settle as settleOnce } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { RateWindow } from "./rate-window.ts";
import { ShardStream } from "./shard-stream.ts";
import { WorldWatch } from "./world-watch.ts";

/** Links take a few turns of the event loop to open, to end and to deliver. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settleOnce();
}

async function setup() {
  const network = new InProcessNetwork();
  const clock = new SimClock();
  const links: Link[] = [];
  const received: LinkMessage[] = [];
  const listener = await network.node({ role: "gameserver", node: "g" }).listen((link) => {
    links.push(link);
    link.channel("shard:w/0").onMessage((message) => received.push(message));
  });
  const stream = new ShardStream("g", {
    links: network.node({ role: "proxy", node: "g/multicast" }),
    clock,
    logger: noopLogger,
  });
  let attaches = 0;
  const watch = new WorldWatch(
    { server: "g", world: "w", topics: ["lobby"], authorized: false },
    {
      clock,
      toShard: (message) => stream.send(message),
      publish: () => undefined,
      tooLarge: () => undefined,
      nextAttach: () => ++attaches,
      nextRun: () => 1,
      refused: () => undefined,
    },
  );
  stream.add("w/0", watch);
  watch.placed("w/0", 1);
  const watched = () => received.flatMap((m) => (m.type === "watch" ? [m.attach] : []));
  return { stream, clock, links, listener, watched };
}

test("a link that ends is opened again, and every topic watched anew", async () => {
  const { stream, clock, links, watched } = await setup();
  await stream.start();
  await settle();
  const [first] = watched();
  links[0]?.close({ code: "overflow" });
  await settle();
  clock.advance(1_000);
  await settle();
  assert.equal(links.length, 2);
  assert.equal(watched().length, 2);
  assert.notEqual(watched()[1], first, "attach numbers are used once");
  stream.stop();
  await settle();
  clock.advance(10_000);
  await settle();
  assert.equal(links.length, 2);
});

test("a shard that sends what no shard sends ends the link", async () => {
  const { stream, links } = await setup();
  await stream.start();
  await settle();
  const [link] = links;
  assert.ok(link !== undefined);
  const batch = Uint8Array.of(255);
  link.channel("shard:w/0").send({ type: "downstream", shard: "w/0", epoch: 1, batch });
  assert.equal((await link.closed).code, "bad-message");
  stream.stop();
});

test("a gameserver that cannot be reached is tried again", async () => {
  const { stream, clock, links, listener } = await setup();
  await stream.start();
  await settle();
  await listener.close();
  links[0]?.close({ code: "closed" });
  for (let tries = 0; tries < 3; tries++) {
    await settle();
    clock.advance(1_000);
  }
  await settle();
  assert.equal(clock.pending, 1, "the next try is planned");
  stream.stop();
  assert.equal(clock.pending, 0);
});

test("so many per second, and as many in the next", () => {
  const rate = new RateWindow(2);
  assert.deepEqual(
    [0, 1, 999, 1_000, 1_500, 1_999].map((now) => rate.take(now)),
    [true, true, false, true, true, false],
  );
});
