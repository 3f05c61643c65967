import assert from "node:assert/strict";
import { test } from "node:test";
import {
  InProcessNetwork,
  type Link,
  noopLogger,
  SessionFlag,
  type Watch,
  writeDownstreamHead,
} from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { ByteWriter, defineWorld } from "@atlasnet/world";
import { MAX_DATAGRAMS_PER_SECOND, MulticastPublisher } from "./multicast-publisher.ts";

const SHARD = { shard: "w/0", epoch: 1 };
const SECTION = Uint8Array.of(0x01);

const OPTIONS = {
  node: "g",
  // Where nobody listens, on this machine only.
  group: "239.255.77.2",
  port: 9,
  interface: "127.0.0.1",
  topics: [],
  allowPrivate: false,
  tcp: "127.0.0.1:1",
};

/** A batch with one topic; with `attach`, that one's first, and full state in it. */
function batchOf(tick: number, attach?: number): Uint8Array {
  const writer = new ByteWriter();
  writeDownstreamHead(writer, { tick, dilation: 0 });
  writer.varint(1);
  writer.varint(0);
  writer.block(SECTION);
  writer.block(attach === undefined ? new Uint8Array(0) : Uint8Array.of(0));
  writer.varint(attach === undefined ? 0 : 1);
  if (attach !== undefined)
    for (const n of [attach, SessionFlag.slots | SessionFlag.full, 1, 0, 1]) writer.varint(n);
  return writer.finish();
}

test("datagrams above the bound per second are numbered and kept, but not sent", async (t) => {
  const network = new InProcessNetwork();
  const clock = new SimClock();
  const watched = new Promise<{ link: Link; message: Watch }>((resolve) => {
    network.node({ role: "gameserver", node: "g" }).listen((link) =>
      link.channel("shard:w/0").onMessage((message) => {
        if (message.type === "watch") resolve({ link, message });
      }),
    );
  });
  const publisher = new MulticastPublisher(
    {
      ...OPTIONS,
      topics: ["w/board"],
    },
    { links: network.node({ role: "proxy", node: "g/multicast" }), clock, logger: noopLogger },
  );
  t.after(() => publisher.stop());
  await publisher.start();
  publisher.placed({ world: "w", ...SHARD });
  const { link, message } = await watched;
  assert.deepEqual([message.topic, message.authorized], ["board", false]);
  const { attach } = message;
  const channel = link.channel("shard:w/0");
  const definition = defineWorld({ name: "w", components: {}, channels: { board: {} } }).data;
  channel.send({ type: "watching", ...SHARD, attach, definition });
  channel.send({ type: "downstream", ...SHARD, batch: batchOf(1, attach) });
  const count = MAX_DATAGRAMS_PER_SECOND + 10;
  for (let tick = 2; tick < 2 + count; tick++)
    channel.send({ type: "downstream", ...SHARD, batch: batchOf(tick) });

  while (publisher.stats.datagrams + publisher.stats.heldBack < count)
    await new Promise((resolve) => setImmediate(resolve));
  const { stats } = publisher;
  assert.deepEqual([stats.datagrams, stats.heldBack], [MAX_DATAGRAMS_PER_SECOND, 10]);
  clock.advance(1_000);
  assert.equal(stats.announcements, 2);
  channel.send({ type: "downstream", ...SHARD, batch: batchOf(2 + count) });
  while (stats.datagrams === MAX_DATAGRAMS_PER_SECOND)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stats.heldBack, 10);
});

test("a publisher that is behind announces at once, and goes on at its pace", async (t) => {
  // Every look at the time is later than the next announcement would be.
  const clock = new SimClock({ lookMs: 1_500 });
  const network = new InProcessNetwork();
  network.node({ role: "gameserver", node: "g" }).listen(() => {});
  const links = network.node({ role: "proxy", node: "g/multicast" });
  const publisher = new MulticastPublisher(OPTIONS, { links, clock, logger: noopLogger });
  t.after(() => publisher.stop());
  await publisher.start();
  for (let turn = 0; turn < 5; turn++) clock.step();
  assert.equal(publisher.stats.announcements, 6);
});
