import assert from "node:assert/strict";
import { test } from "node:test";
import {
  InProcessNetwork,
  type LinkMessage,
  type LinkNetwork,
  type Logger,
  NODE_CHANNEL,
  noopLogger,
  shardChannel,
  type ToShard,
} from "@atlasnet/core";
import { reached } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import type { ToThread } from "../host/protocol.ts";
import type { HostedEntry } from "./hosted-world.ts";
import { ProxyLinks } from "./proxy-links.ts";
import { TraceRelay } from "./trace-relay.ts";

const SHARD = "kept/0";
const GAMESERVER = { role: "gameserver", node: "g" } as const;
const proxy = (node: string) => ({ role: "proxy", node }) as const;

const KEPT: HostedEntry = {
  hosted: { world: "kept", shard: SHARD, epoch: 1, tickRate: 60, definition: "", file: "kept.js" },
  settings: {
    ...{ world: "kept", shard: SHARD, file: "kept.js", generation: 0, config: null },
    ...{ durability: "none", fresh: false, graceSeconds: 30, maxSessions: 10, seed: 5 },
    ...{ outboxMessages: 10, outboxBytes: 1_000, lastEpoch: 0, sleepAfterMs: 0 },
  },
};

const upstream = (batch: readonly number[]): ToShard => ({
  ...{ type: "upstream", shard: SHARD, epoch: 1, batch: Uint8Array.from(batch) },
});
const watch = (attach: number): ToShard => ({
  ...{ type: "watch", shard: SHARD, epoch: 1, attach, topic: "sky", authorized: true },
});

/** The links of a gameserver whose threads do nothing but note what they are told. */
async function scene(network: LinkNetwork, hold?: (take: () => void) => boolean) {
  const worlds = new Map([[SHARD, KEPT]]);
  const told: ToThread[] = [];
  const errors: string[] = [];
  const gate = { isOpen: true, send: (_: string, __: number, release: () => void) => release() };
  const logger: Logger = {
    ...noopLogger,
    error: (message) => void errors.push(message),
    child: () => logger,
  };
  const proxies = new ProxyLinks(
    { isPlaced: hold !== undefined },
    {
      ...{ worlds, gate, logger },
      threads: {
        send: (_, message) => void told.push(message),
        broadcast: (message) => void told.push(message),
      },
      sleeping: { keep: () => "awake" },
      traces: new TraceRelay({ tracer: undefined, unixMs: () => 0 }),
      hold: (_, take) => hold?.(take) ?? assert.fail("nobody else says where worlds are"),
    },
  );
  const listener = await network.listen((link) => proxies.accept(link));
  return { proxies, worlds, told, errors, gate, listener };
}

for (const links of linkKinds)
  test(`${links.name}: a proxy that says what no proxy says loses its link, and nobody else theirs`, async () => {
    const nodes = ["p1", "p2", "p3", "p4"].map(proxy);
    const networks = await links.create([GAMESERVER, ...nodes]);
    const { proxies, told, errors, listener } = await scene(networks.node(GAMESERVER));
    const connect = (node: string) => networks.node(proxy(node)).connect("g");
    const spared = await connect("p1");
    for (const [node, channel] of [
      ["p2", NODE_CHANNEL],
      ["p3", shardChannel(SHARD)],
    ] as const) {
      const rude = await connect(node);
      rude.channel(channel).send({ type: "shard-reset", shard: SHARD, epoch: 1 });
      assert.deepEqual(await rude.closed, {
        code: "bad-message",
        detail: '"shard-reset" is not for a gameserver',
      });
    }
    const rude = await connect("p4");
    const trace = new Uint8Array(5);
    rude.channel(shardChannel(SHARD)).send({ ...upstream([]), trace } as ToShard);
    const detail = "malformed trace marks";
    assert.deepEqual(await rude.closed, { code: "bad-message", detail });
    assert.deepEqual(errors, Array(3).fill("A proxy broke the link protocol."));
    spared.channel(shardChannel(SHARD)).send(upstream([7]));
    await reached(() => told.some(({ type }) => type === "messages"));
    proxies.close();
    await listener.close();
    await networks.stop?.();
  });

test("what comes in one turn is one post", async () => {
  const network = new InProcessNetwork({ verify: true });
  const { proxies, told } = await scene(network.node(GAMESERVER));
  const link = await network.node(proxy("p1")).connect("g");
  const channel = link.channel(shardChannel(SHARD));
  channel.send(watch(1));
  channel.send(upstream([1, 2]));
  await reached(() => told.length > 0);
  const [first, ...others] = told;
  assert.ok(first?.type === "messages" && first.peer === 1);
  assert.deepEqual(
    first.messages.map(({ type }) => type),
    ["watch", "upstream"],
  );
  assert.deepEqual(others, []);
  assert.equal(proxies.traffic, 2);
});

test("what was kept for a proxy whose link has ended is posted no more", async () => {
  const network = new InProcessNetwork({ verify: true });
  const held: (() => void)[] = [];
  const { worlds, told } = await scene(network.node(GAMESERVER), (take) => held.push(take) > 0);
  const link = await network.node(proxy("p1")).connect("g");
  worlds.delete(SHARD);
  link.channel(shardChannel(SHARD)).send(watch(1));
  await reached(() => held.length === 1);
  link.close({ code: "closed" });
  await reached(() => told.length === 1);
  worlds.set(SHARD, KEPT);
  for (const take of held) take();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, [{ type: "disconnect", peer: 1 }]);
});

test("who comes for a shard that does not run here waits if it is about to, and is told to look elsewhere if not", async () => {
  const network = new InProcessNetwork({ verify: true });
  const held: (() => void)[] = [];
  let isFollowed = true;
  let refused = 0;
  const { proxies, worlds, told, gate } = await scene(network.node(GAMESERVER), (take) => {
    if (isFollowed) held.push(take);
    else refused += 1;
    return isFollowed;
  });
  const link = await network.node(proxy("p1")).connect("g");
  const channel = link.channel(shardChannel(SHARD));
  const heard: LinkMessage[] = [];
  channel.onMessage((message) => heard.push(message));
  worlds.delete(SHARD);
  channel.send(watch(1));
  await reached(() => held.length === 1);
  worlds.set(SHARD, KEPT);
  for (const take of held) take();
  await reached(() => told.length === 1);
  worlds.delete(SHARD);
  isFollowed = false;
  channel.send(upstream([1]));
  channel.send(watch(2));
  await reached(() => refused === 2);
  gate.isOpen = false;
  channel.send(watch(3));
  await reached(() => refused === 3);
  proxies.sendToAll({ type: "shard-reset", shard: SHARD, epoch: 2 });
  await reached(() => heard.at(-1)?.type === "shard-reset");
  assert.deepEqual(heard, [
    {
      ...{ type: "closed", shard: SHARD, epoch: 1, attach: 2, code: "world-unavailable" },
      reason: "the shard is not here any more",
    },
    { type: "shard-reset", shard: SHARD, epoch: 2 },
  ]);
  assert.equal(told.length, 1);
});
