import { SeededRandom } from "@atlasnet/core/sim";
import { randomDeed } from "./random-deeds.ts";
import { type TestClient, TestShard } from "./test-shard.ts";

/** A random life: deeds in handlers, players who come, drop, return, leave and are kicked. */
export function* live(seed: number, ticks: number, space: "2d" | "3d" = "2d") {
  const random = new SeededRandom(seed);
  const test = new TestShard({ space });
  const deeds = (ctx: Parameters<typeof randomDeed>[0]) => {
    for (let n = random.int(0, 6); n > 0; n--) randomDeed(ctx, random);
  };
  test.hooks.tick = deeds;
  test.hooks.join = deeds;
  test.hooks.leave = deeds;
  test.hooks.move = deeds;
  test.hooks.say = (ctx, player) => {
    deeds(ctx);
    if (random.int(0, 9) === 0) player.kick("enough");
    if (random.int(0, 3) === 0) throw new Error("on purpose");
  };
  test.hooks.alarm = deeds;
  test.hooks.response = deeds;
  let clients: TestClient[] = [];
  for (let tick = 0; tick < ticks; tick++) {
    clients = clients.filter((client) => client.closed === undefined);
    const client = clients[random.int(0, Math.max(0, clients.length - 1))];
    const roll = random.int(0, 9);
    if (client?.welcome === undefined || roll === 0) {
      clients.push(test.attach(`account${random.int(0, 5)}`));
    } else if (roll === 1) {
      client.detach();
      clients = clients.filter((other) => other !== client);
      if (random.int(0, 1) === 0) clients.push(test.resume(client));
    } else if (roll === 2 && random.int(0, 2) === 0) client.leave();
    else if (roll < 5) client.say("hello");
    else if (roll < 7) client.move(1, 0);
    else if (roll === 7) client.ack(client.received.at(-1)?.seq ?? 0);
    for (const request of test.shard.pendingRequests())
      if (random.int(0, 1) === 0) test.shard.respond({ id: request.id, ok: true, value: null });
    yield { test, result: test.tick() };
  }
}
