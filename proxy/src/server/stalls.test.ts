import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { reached } from "@atlasnet/core/testing";
import { TokenBucket } from "../session/token-bucket.ts";
import { hello, webSocketClient } from "../testing/test-clients.ts";
import { bench } from "../testing/test-proxy.ts";
import { udpClient } from "../testing/udp-client.ts";
import { MAX_STALL_ALLOWANCE_MS, Stalls } from "./stalls.ts";

test("a look that is a little late is no stall", () => {
  const stalls = new Stalls();
  assert.equal(stalls.allowanceMs(1e9), 0, "nothing is planned");
  stalls.plan(1_000, 1_250);
  assert.equal(stalls.allowanceMs(2_249), 0);
  assert.equal(stalls.look(2_249), false);
  assert.equal(stalls.allowanceMs(2_249), 0);
});

test("a stall counts from the last look on, before the late one and for a while after it", () => {
  const stalls = new Stalls();
  stalls.plan(1_000, 1_250);
  assert.equal(stalls.allowanceMs(6_000), 5_000, "read before the timer is called");
  assert.equal(stalls.look(6_000), true);
  stalls.plan(6_000, 6_250);
  assert.equal(stalls.allowanceMs(6_100), 5_000);
  assert.equal(stalls.look(6_250), false);
  stalls.plan(6_250, 6_500);
  // Another one, before the first was made good.
  assert.equal(stalls.allowanceMs(9_250), 8_000);
  assert.equal(stalls.look(9_250), true);
  stalls.plan(9_250, 12_000);
  assert.equal(stalls.allowanceMs(11_249), 8_000);
  assert.equal(stalls.allowanceMs(11_250), 0);
});

test("what is made good has a bound", () => {
  const stalls = new Stalls();
  stalls.plan(0, 250);
  assert.equal(stalls.allowanceMs(1e9), MAX_STALL_ALLOWANCE_MS);
});

test("a bucket holds what it was given during a stall, once and on top of its burst", () => {
  const bucket = new TokenBucket(10, 20, 0);
  assert.equal(bucket.take(51, 3_000, 3_000), false);
  assert.equal(bucket.take(50, 3_000, 3_000), true);
  assert.equal(bucket.take(1, 3_000, 3_000), false);
  assert.equal(bucket.take(1, 3_100, 3_000), true, "its rate goes on");
});

for (const [transport, open] of [
  ["websocket", webSocketClient],
  ["udp", udpClient],
] as const)
  test(`${transport}: after the process stood still nobody is too fast for what came at once, up to the rate`, async (t) => {
    const sim = new SimClock();
    let stalled = 0;
    const clock = {
      now: () => sim.now() + stalled,
      wallTime: () => sim.wallTime(),
      setTimer: (ms: number, fn: () => void) => sim.setTimer(ms, fn),
    };
    const limits = { messagesPerSecond: 10, messagesBurst: 20 };
    const { address, proxy } = await bench(t, { clock, limits });
    const client = await open(address);
    t.after(() => client.end());
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    client.send(hello("arena"));
    while (client.messages.all.length === 0) {
      sim.advance(1);
      await turn();
    }
    sim.advance(500);
    const before = proxy.counters.messagesIn;
    stalled += 5_000;
    // The loop reads before it calls timers: the stall is seen by the clock alone.
    for (let n = 0; n < 40; n++) client.send([4, n]);
    await reached(() => proxy.counters.messagesIn === before + 40);
    sim.advance(250);
    for (let n = 0; n < 20; n++) client.send([4, n]);
    await reached(() => proxy.counters.messagesIn === before + 60);
    assert.equal(proxy.counters.closes.size, 0);
    for (let n = 0; n < 40; n++) client.send([4, n]);
    await reached(() => proxy.counters.closes.size > 0);
    assert.equal(proxy.counters.closes.get("rate-limited"), 1);
  });
