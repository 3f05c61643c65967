import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { assertAllIsWell } from "@atlasnet/monolith/testing";
import { until } from "../testing/until.ts";
import { RolledBackBooks } from "./rolled-back-books.ts";
import { answers, back, chaos } from "./scene.ts";

chaos(
  "a proxy and then the gameserver are stopped in order, and come back",
  { proxies: 2, gameservers: 1, worlds: ["north"], always: true },
  async (scene) => {
    const [first, second] = [scene.node("proxy-1"), scene.node("proxy-2")];
    const gameserver = scene.node("gs-1");
    const players = await scene.enterAll([first], "north");
    for (const player of players) player.talk(1e6);
    await scene.moment(players);
    assert.equal((await first.stop()).code, 0);
    await back(players, 1);
    assert.equal(await second.metric("atlasnet_proxy_connections"), players.length);
    await scene.moment(players);
    // Saved whole: nobody hears of a rollback.
    assert.equal((await gameserver.stop()).code, 0);
    gameserver.start();
    await answers(players, 5);
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    for (const { drops } of players) assert.equal(drops, 1, "the gameserver's end touched nobody");
  },
);

chaos(
  "a gameserver comes back without its data, and a world moves to another one",
  { proxies: 1, gameservers: 2, worlds: ["north", "east"], always: true },
  async (scene) => {
    const [proxy, gameserver] = [scene.node("proxy-1"), scene.node("gs-1")];
    const player = await scene.enter("tcp", [proxy], "north");
    const other = await scene.enter("ws", [proxy], "east");
    const books = new RolledBackBooks(player);
    for (const each of [player, other]) each.talk(1e6);
    await answers([player], 10);
    // A later epoch first: so that the next is a lower one.
    for (let start = 1; start <= 2; start++) {
      await gameserver.stop();
      gameserver.start();
      await answers([player], 5);
    }
    assert.equal(books.rollbacks, 0);
    await gameserver.kill();
    await rm(scene.cluster.dataOf(gameserver), { recursive: true });
    gameserver.start();
    // Its session is no more: it joins anew, in a world that knows nothing.
    await until("it heard of it", () => books.rollbacks === 1 && player.world.connected);
    await answers([player], 5);
    for (const each of [player, other]) each.stop();
    await assertAllIsWell([other]);
    assert.equal(other.drops, 0);
  },
);
