import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../node/settle.ts";
import { systemClock } from "../system/system-clock.ts";
import { LinkMessageError } from "../wire/link-codec.ts";
import type { LinkMessage, ShardMessage } from "../wire/link-messages.ts";
import { later, linkAcceptance, type MakeLinkFixture, numberOf } from "./acceptance.ts";
import { InProcessNetwork } from "./in-process.ts";
import type { Link } from "./link.ts";

const proxy = { role: "proxy", node: "p1" } as const;
const gameserver = { role: "gameserver", node: "g1" } as const;

const fixture =
  (verify: boolean): MakeLinkFixture =>
  async (limits) => {
    const network = new InProcessNetwork({ limits, verify });
    return {
      near: { network: network.node(proxy), peer: proxy },
      far: { network: network.node(gameserver), peer: gameserver },
      clock: systemClock,
      run: (work) => work,
      close: async () => {},
    };
  };

linkAcceptance("in process", fixture(false));
linkAcceptance("in process, verified", fixture(true));

const message = (epoch: number): ShardMessage => ({
  type: "upstream",
  shard: "s",
  epoch,
  batch: new Uint8Array([1, 2, 3]),
});

async function open(network: InProcessNetwork): Promise<{ near: Link; far: Link }> {
  const accepted = later<Link>();
  await network.node(gameserver).listen(accepted.resolve);
  const near = await network.node(proxy).connect("g1");
  return { near, far: await accepted.promise };
}

test("messages pass by reference, and all of one turn come in one later turn", async () => {
  const turns: (() => void)[] = [];
  const network = new InProcessNetwork({}, { defer: (callback) => turns.push(callback) });
  const opening = open(network);
  for (; turns.length === 0; ) await settle();
  turns.shift()?.();
  const { near, far } = await opening;
  const seen: LinkMessage[] = [];
  far.channel("a").onMessage((m) => seen.push(m));
  far.channel("b").onMessage((m) => seen.push(m));
  const sent = [message(1), message(2), message(3)];
  for (const m of sent) near.channel(numberOf(m) === 2 ? "b" : "a").send(m);
  assert.equal(turns.length, 1);
  assert.deepEqual(seen, []);
  turns.shift()?.();
  assert.deepEqual(new Set(seen), new Set(sent));
  assert.equal(seen[0], sent[0]);
  assert.equal(network.stats.messages, 3);
  assert.equal(network.stats.queuedBytes, 0);
});

test("a handler that throws loses its own message and no other", async () => {
  const turns: (() => void)[] = [];
  const network = new InProcessNetwork({}, { defer: (callback) => turns.push(callback) });
  const opening = open(network);
  for (; turns.length === 0; ) await settle();
  turns.shift()?.();
  const { near, far } = await opening;
  const seen: number[] = [];
  const handler = (m: LinkMessage) => {
    if (numberOf(m) === 1) throw new Error("a fault of the handler");
    seen.push(numberOf(m));
  };
  far.channel("a").onMessage(handler);
  near.channel("a").onMessage(handler);
  for (const n of [1, 2, 3]) near.channel("a").send(message(n));
  far.channel("a").send(message(4));
  assert.throws(() => turns.shift()?.(), /a fault of the handler/);
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual(seen.toSorted(), [2, 3, 4]);
});

test("verify refuses a message out of its bounds at its sender", async () => {
  const { near } = await open(new InProcessNetwork({ verify: true }));
  assert.throws(() => near.channel("a").send({ ...message(1), epoch: -1 }), /upstream\.epoch/);
});

test("a node of before is not sent what it does not know", async () => {
  const { near, far } = await open(new InProcessNetwork({ version: 3 }));
  assert.ok(near.speaks("upstream") && near.speaks("raft"));
  assert.ok(!near.speaks("shard-sealed") && !far.speaks("placed"));
  const placed: LinkMessage = { type: "placed", world: "w", shard: "w/0", epoch: 2 };
  assert.throws(() => near.channel("a").send(placed), LinkMessageError);
});

test("what a link counted is gone with it", async () => {
  const network = new InProcessNetwork();
  const { near, far } = await open(network);
  near.channel("nobody listens").send(message(1));
  await settle();
  assert.ok(network.stats.queuedBytes > 0);
  far.close({ code: "closed" });
  assert.equal(network.stats.queuedBytes, 0);
  assert.deepEqual([network.stats.opened, network.stats.closed], [2, 2]);
});
