import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { hello, webSocketClient } from "../testing/test-clients.ts";
import { bench } from "../testing/test-proxy.ts";

test("a client that is not read hears again and again that somebody is there", {
  timeout: 20_000,
}, async (t) => {
  let late = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + late };
  const limits = { attachBufferBytes: 500 };
  const { address, gameserver, network, proxy } = await bench(t, { clock, limits });
  const client = await webSocketClient(address);
  t.after(() => client.end());
  client.send(hello("arena"));
  assert.equal((await client.messages.next())[0], 5);
  await gameserver.die();
  await network.gone();
  for (let n = 1; n <= 10; n++) client.send([5, n, 0, new Uint8Array(100)]);
  await reached(() => proxy.counters.paused === 1);
  // Its pings have no answer now. What was applied so far is said instead, which was nothing.
  for (let second = 0; second < 3; second++) {
    late += 1_000;
    const [kind, seq] = await client.messages.next();
    assert.deepEqual([kind, seq], [3, 0]);
  }
});
