import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link, LinkMessage, Upstream } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { gameserver, LinkNodes, proxy } from "../testing/link-nodes.ts";
import { ChannelRing } from "./channel-ring.ts";
import { CHUNK_BYTES } from "./link-bounds.ts";
import { OutChannel } from "./out-channel.ts";
import { TokenBucket } from "./token-bucket.ts";

const KIB = 1024;

const message = (epoch: number, bytes: number): Upstream => ({
  type: "upstream",
  shard: "s",
  epoch,
  batch: new Uint8Array(bytes),
});

test("a bucket gives its rate, and no more than its capacity at once", () => {
  const clock = new SimClock();
  const bucket = new TokenBucket({ perSecond: 1000, capacity: 100 }, { clock });
  assert.equal(bucket.available(), 100);
  bucket.take(150);
  assert.equal(bucket.available(), -50);
  assert.equal(bucket.waitMs(50), 100);
  clock.advance(100);
  assert.equal(bucket.available(), 50);
  assert.equal(bucket.waitMs(50), 0);
  clock.advance(10_000);
  assert.equal(bucket.available(), 100);
});

test("channels of one stream get a chunk each in their turn", () => {
  const ring = new ChannelRing();
  const large = new OutChannel(0, "large");
  const small = new OutChannel(1, "small");
  large.push(new Uint8Array(10 * CHUNK_BYTES));
  ring.add(large);
  for (let n = 0; n < 3; n++) small.push(new Uint8Array(100));
  ring.add(small);
  const out = new Uint8Array(64 * KIB);
  const end = ring.fill(out);
  assert.ok(end <= out.length);
  assert.equal(small.isEmpty, true);
  assert.equal(large.isEmpty, false);
  assert.ok(end > 3 * CHUNK_BYTES, "and the large one has what is left");
});

interface Scene {
  readonly clock: SimClock;
  readonly near: Link;
  readonly far: Link;
  /** Lets time pass in steps of a millisecond. */
  pass(ms: number): Promise<void>;
}

async function withScene(
  bulkBytesPerSecond: number,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const clock = new SimClock();
  const nodes = new LinkNodes({ windowBytes: 1e9 }, { clock, random: new SeededRandom(3) });
  const links: Link[] = [];
  const pass = async (ms: number) => {
    for (let n = 0; n < ms; n++) {
      clock.advance(1);
      await settle();
    }
  };
  await nodes.node(gameserver).listen((link) => links.push(link));
  const connecting = nodes.node(proxy, { bulkBytesPerSecond }).connect("g1");
  await pass(5);
  const near = await connecting;
  const [far] = links;
  assert.ok(far);
  await body({ clock, near, far, pass });
  const stopping = nodes.stop();
  await pass(5);
  await stopping;
}

test("bulk leaves at its rate", () =>
  withScene(1_000_000, async ({ near, far, pass }) => {
    let bytes = 0;
    far.channel("snapshot").onMessage((m: LinkMessage) => {
      bytes += m.type === "upstream" ? m.batch.length : 0;
    });
    const channel = near.channel("snapshot", { bulk: true });
    for (let n = 0; n < 40; n++) channel.send(message(n, 50_000));
    await pass(1000);
    // What may leave at once, and a message that is not whole yet, are all that it may differ by.
    assert.ok(bytes > 1_000_000 - 100_000, `${bytes}`);
    assert.ok(bytes < 1_000_000 + 100_000, `${bytes}`);
    await pass(1200);
    assert.equal(bytes, 2_000_000);
  }));

test("small messages pass a channel full of bulk at once", () =>
  withScene(100_000, async ({ near, far, pass }) => {
    const seen: number[] = [];
    far.channel("small").onMessage((m) => seen.push("epoch" in m ? m.epoch : -1));
    near.channel("snapshot", { bulk: true }).send(message(0, 1_000_000));
    await pass(100);
    near.channel("small").send(message(1, 10));
    await pass(3);
    assert.deepEqual(seen, [1]);
  }));

test("bulk comes whole and in order while others send as much as they can", () =>
  withScene(2_000_000, async ({ near, far, pass }) => {
    const seen: number[] = [];
    far.channel("snapshot").onMessage((m) => seen.push("epoch" in m ? m.epoch : -1));
    let others = 0;
    far.channel("other").onMessage(() => {
      others += 1;
    });
    const bulk = near.channel("snapshot", { bulk: true });
    for (let n = 0; n < 20; n++) bulk.send(message(n, 30_000));
    for (let n = 0; n < 200; n++) {
      near.channel("other").send(message(n, 20_000));
      await pass(2);
    }
    assert.equal(others, 200);
    assert.deepEqual(seen, [...Array(20).keys()]);
  }));
