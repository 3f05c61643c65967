import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { reached } from "@atlasnet/core/testing";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import { framedClient, hello, portOf, webSocketClient } from "../testing/test-clients.ts";
import { bench } from "../testing/test-proxy.ts";
import { udpClient } from "../testing/udp-client.ts";
import { sendAway } from "./send-away.ts";
import type { Visitor } from "./visitor.ts";
import { Visitors } from "./visitors.ts";

/** Clients of a proxy that is about to stop, who stay until they are made to go. */
function crowd(count: number) {
  const clock = new SimClock();
  const limits = { ...defaultLimits, connectionsPerAddress: 1e6 };
  const visitors = new Visitors({ limits }, { counters: new ProxyCounters() });
  const asked: { visitor: Visitor; at: number }[] = [];
  for (let i = 0; i < count; i++) {
    const carrier = { bytesRead: 0, writable: true, destroy: () => undefined };
    const visitor = visitors.admit(carrier, "192.0.2.1", 0);
    assert.ok(visitor !== undefined);
    visitor.sendAway = () => asked.push({ visitor, at: clock.now() });
  }
  const elapse = (ms: number) => clock.elapse(ms, settle);
  return { clock, visitors, asked, elapse };
}

test("everybody is asked, a few at a time; it is over as soon as all are gone", async () => {
  const { clock, visitors, asked, elapse } = crowd(25);
  let over = false;
  const done = sendAway({ deadlineMs: 10_000, goMs: 3_000 }, { visitors, clock }).then(() => {
    over = true;
  });
  await elapse(1_000);
  const rounds = [0, 50, 100].map((at) => asked.filter((one) => one.at === at).length);
  assert.deepEqual([rounds, asked.length], [[10, 10, 5], 25]);
  assert.equal(new Set(asked.map(({ visitor }) => visitor)).size, 25);
  for (const { visitor } of asked.slice(1)) visitors.leave(visitor);
  await settle();
  assert.equal(over, false);
  for (const { visitor } of asked.slice(0, 1)) visitors.leave(visitor);
  await done;
  assert.equal(
    visitors.admit({ bytesRead: 0, writable: true, destroy: () => undefined }, "", 0)?.refusal,
    "shutting-down",
  );
});

test("who does not go has a moment for it, and all of it is within the deadline", async () => {
  for (const [count, deadlineMs, until] of [
    [1, 60_000, 3_000],
    [1, 2_000, 1_600],
    [5_000, 2_000, 1_600],
  ] as const) {
    const { clock, visitors, asked, elapse } = crowd(count);
    let over = false;
    const options = { deadlineMs, goMs: 3_000 };
    void sendAway(options, { visitors, clock }).then(() => {
      over = true;
    });
    await elapse(until - 1);
    assert.deepEqual([asked.length, over], [count, false]);
    assert.ok(asked.every(({ at }) => at <= deadlineMs / 2));
    await elapse(1);
    assert.equal(over, true);
  }
});

test("players are asked to reconnect, over any transport; who stays is closed, as is who cannot be asked", async (t) => {
  const { proxy, address, gameserver } = await bench(t, { limits: { goElsewhereMs: 50 } });
  const udpAddress = `:${proxy.udpEndpoint?.port ?? 0}`;
  const players = [
    await framedClient(address),
    await webSocketClient(address),
    await udpClient(udpAddress),
  ];
  for (const [at, player] of players.entries()) {
    t.after(() => player.end());
    player.send(hello("arena", { ticket: `ticket:p${at}:arena` }));
    assert.equal((await player.messages.next())[0], 5);
  }
  const greeting = await framedClient(address);
  greeting.send([4, 1]);
  assert.equal((await greeting.messages.next())[0], 4);
  const lines = connect(portOf(address), "127.0.0.1");
  t.after(() => lines.destroy());
  let told = "";
  lines.on("data", (chunk) => {
    told += String(chunk);
  });
  lines.write("PING\n");
  await reached(() => told === "PONG\n");
  const drained = proxy.drain(10_000);
  for (const player of players) assert.deepEqual(await player.messages.next(), [11]);
  await reached(() => told === "PONG\nERR shutting-down\n");
  assert.deepEqual((await greeting.messages.next()).slice(0, 2), [6, 4020]);
  // One goes; its session stays in the world.
  players[0]?.end();
  assert.equal((await gameserver.others.next()).type, "detach");
  for (const player of players.slice(1))
    assert.deepEqual((await player.messages.next()).slice(0, 2), [6, 4020]);
  await drained;
  assert.equal(proxy.counters.movesSuggested, 3);
});

test("where there is no other proxy, or no time, nobody is asked", async (t) => {
  for (const [endpoints, deadlineMs] of [
    [["only:1"], 10_000],
    [["a:1", "b:2"], 999],
  ] as const) {
    const { proxy, address } = await bench(t, { endpoints });
    const player = await framedClient(address);
    player.send(hello("arena"));
    assert.equal((await player.messages.next())[0], 5);
    const drained = proxy.drain(deadlineMs);
    assert.deepEqual((await player.messages.next()).slice(0, 2), [6, 4020]);
    await drained;
  }
});
