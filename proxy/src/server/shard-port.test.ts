import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Channel,
  type LinkMessage,
  noopLogger,
  readUpstreamEntry,
  UpstreamKind,
} from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { ByteReader } from "@atlasnet/world";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import type { Returned } from "../session/returned.ts";
import { encodeBatch } from "../testing/fake-shard.ts";
import { type ShardClient, ShardPort } from "./shard-port.ts";

class FakeChannel implements Channel {
  readonly name = "shard:s";
  readonly sent: LinkMessage[] = [];
  room = true;
  receive: (message: LinkMessage) => void = () => {};
  drain: () => void = () => {};

  send(message: LinkMessage): boolean {
    this.sent.push(message);
    return this.room;
  }
  onMessage(handler: (message: LinkMessage) => void): void {
    this.receive = handler;
  }
  onDrain(handler: () => void): void {
    this.drain = handler;
  }
}

class Client implements ShardClient {
  readonly events: string[] = [];
  shardMessage(message: LinkMessage): void {
    this.events.push(message.type);
  }
  returned: Returned | undefined;
  lost(returned: Returned): void {
    this.events.push("lost");
    this.returned = returned;
  }
  congested(): void {
    this.events.push("congested");
  }
  uncongested(): void {
    this.events.push("uncongested");
  }
}

const ATTACH = {
  type: "attach",
  account: "a",
  name: "",
  data: null,
  stream: new Uint8Array(8),
  attempt: 0,
  firstUnacked: 1,
  lastReceived: 0,
} as const;

function open() {
  const channel = new FakeChannel();
  const clock = new SimClock();
  const counters = new ProxyCounters();
  const broken: string[] = [];
  const moving: string[] = [];
  let attaches = 0;
  const port = new ShardPort(
    { shard: "s", epoch: 5, limits: { ...defaultLimits, upstreamBufferBytes: 100 } },
    {
      channel,
      clock,
      counters,
      logger: noopLogger,
      nextAttach: () => ++attaches,
      broken: (reason) => broken.push(reason),
      moving: (to) => moving.push(to),
    },
  );
  const client = new Client();
  const attach = port.attach(client, ATTACH);
  return { port, channel, clock, counters, broken, moving, client, attach };
}

const input = (n: number) => ({
  kind: UpstreamKind.input,
  n,
  index: 0,
  payload: new Uint8Array(40),
});

test("upstream entries of a few milliseconds go out together, in order", () => {
  const { port, channel, clock, counters, attach } = open();
  for (let n = 1; n <= 50; n++) port.upstream(attach, input(n));
  assert.deepEqual(
    channel.sent.map(({ type }) => type),
    ["attach"],
  );
  clock.advance(defaultLimits.upstreamFlushMs);
  const [, batch] = channel.sent;
  assert.ok(batch?.type === "upstream" && batch.epoch === 5);
  const reader = new ByteReader(batch.batch);
  for (let n = 1; n <= 50; n++) assert.equal(readUpstreamEntry(reader).n, n);
  assert.equal(counters.upstreamFlushes, 1);
});

test("while the shard ticks, what comes early in a tick goes out once, in time for the next", () => {
  const { port, channel, clock, counters, attach } = open();
  channel.receive({
    type: "attached",
    shard: "s",
    epoch: 5,
    attach,
    session: 1,
    account: "a",
    name: "",
    attempt: 1,
    timeline: 1,
    tick: 1,
    tickRate: 20,
    schema: new Uint8Array(8),
    appliedSeq: 0,
    outSeq: 0,
    lastInput: 0,
    graceTicks: 0,
  });
  // The tick took its time: it was due 15 ms ago.
  const batch = encodeBatch({ tick: 2 });
  channel.receive({ type: "downstream", shard: "s", epoch: 5, batch, ageMs: 15 });
  for (let n = 1; n <= 4; n++) {
    port.upstream(attach, input(n));
    clock.advance(5);
  }
  assert.equal(counters.upstreamFlushes, 0, "35 of the 50 ms of a tick are over");
  port.upstream(attach, input(5));
  clock.advance(5);
  assert.equal(counters.upstreamFlushes, 1, "40 ms are");
  port.upstream(attach, input(8));
  clock.advance(defaultLimits.upstreamFlushMs);
  assert.equal(counters.upstreamFlushes, 2, "late ones do not wait");
});

test("a detach comes after the client's last messages", () => {
  const { port, channel, attach } = open();
  port.upstream(attach, input(1));
  port.detach(attach);
  assert.deepEqual(
    channel.sent.map(({ type }) => type),
    ["attach", "upstream", "detach"],
  );
});

test("a full link gathers up to its bound, then stops the clients until it drained", () => {
  const { port, channel, clock, client, attach } = open();
  channel.room = false;
  port.upstream(attach, input(1));
  clock.advance(10);
  assert.equal(channel.sent.length, 2);
  port.upstream(attach, input(2));
  assert.deepEqual(client.events, []);
  port.upstream(attach, input(3));
  port.upstream(attach, input(4));
  clock.advance(10);
  assert.equal(channel.sent.length, 2, "nothing is sent into a full link");
  assert.ok(client.events.every((event) => event === "congested") && client.events.length > 0);
  channel.room = true;
  channel.drain();
  assert.equal(channel.sent.length, 3);
  assert.equal(client.events.at(-1), "uncongested");
});

test("epochs: below is dropped, above attaches everybody anew", () => {
  const { port, channel, counters, client, attach } = open();
  const kicked = { type: "closed", shard: "s", attach, code: "kicked", reason: "" } as const;
  channel.receive({ ...kicked, epoch: 4 });
  assert.deepEqual(client.events, []);
  assert.equal(counters.staleMessages, 1);
  channel.receive({ ...kicked, epoch: 4, code: "world-unavailable" });
  assert.deepEqual(client.events, ["closed"]);
  channel.receive({ type: "downstream", shard: "s", epoch: 6, batch: encodeBatch({ tick: 1 }) });
  assert.deepEqual(client.events, ["closed", "lost"]);
  assert.equal(port.epoch, 6);
  channel.receive({ ...kicked, epoch: 6 });
  assert.deepEqual(client.events, ["closed", "lost"], "the old attach number finds nobody");
});

test("a shard that breaks the protocol loses its link", () => {
  const { channel, broken } = open();
  channel.receive({ type: "downstream", shard: "s", epoch: 5, batch: Uint8Array.of(1) });
  channel.receive({ type: "detach", shard: "s", epoch: 5, attach: 1 });
  assert.equal(broken.length, 2);
});

test("a closed port is silent and loses its clients once", () => {
  const { port, channel, client, attach } = open();
  port.close();
  port.close();
  port.upstream(attach, input(1));
  port.detach(attach);
  assert.deepEqual(client.events, ["lost"]);
  assert.deepEqual(
    channel.sent.map(({ type }) => type),
    ["attach"],
  );
});

const SEALED = { type: "shard-sealed", shard: "s", epoch: 5, to: "g2" } as const;
const UNSEALED = { type: "shard-unsealed", shard: "s", epoch: 5 } as const;

function sealing() {
  const opened = open();
  const ends: unknown[] = [];
  opened.counters.sealEnded = (seconds, end) => ends.push([seconds, end]);
  return { ...opened, ends };
}

test("from a seal on nothing is sent, goodbyes included; an unsealed shard gets it all in order", () => {
  const { port, channel, clock, counters, moving, client, attach, ends } = sealing();
  const other = new Client();
  const second = port.attach(other, ATTACH);
  channel.sent.length = 0;
  // Gathered for the next tick already when the last one was made.
  port.upstream(attach, input(1));
  channel.receive(SEALED);
  assert.deepEqual([moving, counters.seals, port.clientCount], [["g2"], 1, 2]);
  clock.advance(50);
  port.upstream(second, input(7));
  port.detach(second);
  port.upstream(attach, input(2));
  assert.deepEqual([channel.sent, client.events], [[], ["congested"]]);
  assert.ok(port.heldBytes > 100);
  // Said again, for a proxy that has come since.
  channel.receive(SEALED);
  channel.receive(UNSEALED);
  const [batch, detach] = channel.sent;
  assert.ok(batch?.type === "upstream" && detach?.type === "detach");
  const reader = new ByteReader(batch.batch);
  const said = [1, 7, 2].map(() => readUpstreamEntry(reader)).map((entry) => entry.n);
  assert.deepEqual(said, [1, 7, 2]);
  assert.equal(reader.remaining, 0);
  assert.deepEqual([client.events, other.events], [["congested", "uncongested"], []]);
  assert.deepEqual([ends, counters.seals, counters.sealed.size], [[[0.05, "unsealed"]], 1, 0]);
  port.upstream(attach, input(4));
  clock.advance(defaultLimits.upstreamFlushMs);
  assert.equal(channel.sent.length, 3);
});

test("a shard that is unsealed while its link is full goes on once there is room", () => {
  const { port, channel, clock, attach } = sealing();
  channel.room = false;
  port.upstream(attach, input(1));
  clock.advance(10);
  channel.receive(SEALED);
  port.upstream(attach, input(2));
  channel.room = true;
  channel.drain();
  assert.equal(channel.sent.length, 2, "it is sealed");
  channel.room = false;
  channel.receive(UNSEALED);
  assert.equal(channel.sent.length, 3);
});

test("what was held goes back to each client, with its wish to leave; how the seal ended is told", () => {
  for (const [end, lose] of [
    ["moved", ({ port }) => port.disown()],
    ["moved", ({ port }) => port.advance(6)],
    ["link-lost", ({ port }) => port.close()],
    ["unheard", ({ clock }) => clock.advance(defaultLimits.sealedMs)],
  ] as [string, (opened: ReturnType<typeof open>) => void][]) {
    const opened = sealing();
    const { port, channel, client, attach, ends } = opened;
    const other = new Client();
    const second = port.attach(other, ATTACH);
    channel.sent.length = 0;
    channel.receive(SEALED);
    port.upstream(second, { ...input(7), kind: UpstreamKind.message });
    port.upstream(attach, { kind: UpstreamKind.ack, n: 3, index: 0, payload: new Uint8Array(0) });
    port.upstream(attach, input(1));
    port.leave(attach);
    lose(opened);
    assert.deepEqual([channel.sent, ends.length], [[], 1]);
    assert.deepEqual(ends[0], [end === "unheard" ? defaultLimits.sealedMs / 1000 : 0, end]);
    const [mine, others] = [client.returned, other.returned];
    assert.deepEqual([mine?.items, mine?.leave], [[input(1)], true]);
    assert.deepEqual([others?.items.map(({ n }) => n), others?.leave], [[7], false]);
    assert.equal(port.heldBytes, 0);
  }
});

test("a seal of an earlier epoch is none, and an owner that was disowned has nothing to say", () => {
  const { port, channel, counters, client } = sealing();
  channel.receive({ ...SEALED, epoch: 4 });
  port.disown();
  channel.receive(SEALED);
  assert.deepEqual([counters.seals, counters.staleMessages], [0, 2]);
  // It was a mistake: it goes on at the epoch that it has.
  port.advance(5);
  const attach = port.attach(client, ATTACH);
  channel.receive({ type: "closed", shard: "s", epoch: 5, attach, code: "kicked", reason: "" });
  assert.deepEqual(client.events, ["lost", "closed"]);
});
