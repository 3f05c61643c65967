import assert from "node:assert/strict";
import { assertAllIsWell } from "@atlasnet/monolith/testing";
import { until } from "../testing/until.ts";
import { answers, chaos } from "./scene.ts";

chaos(
  "a proxy and then the gameserver are stopped in order, and come back",
  { proxies: 2, gameservers: 1, worlds: ["north"] },
  async (scene) => {
    const [first, second] = [scene.node("proxy-1"), scene.node("proxy-2")];
    const gameserver = scene.node("gs-1");
    const players = await scene.enterAll([first], "north");
    for (const player of players) player.talk(1e6);
    await scene.moment(players);
    assert.equal((await first.stop()).code, 0);
    assert.equal(await second.metric("atlasnet_proxy_connections"), players.length);
    await scene.moment(players);
    // Saved whole: nobody hears of a rollback.
    assert.equal((await gameserver.stop()).code, 0);
    gameserver.start();
    await answers(players, 5);
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    // The proxy handed them over, the gameserver's end touched nobody.
    for (const { drops } of players) assert.equal(drops, 0, "nobody was dropped");
  },
);

chaos(
  "a gameserver is away until proxies hold no more of what is said, twice",
  { proxies: 1, gameservers: 1, worlds: ["north"] },
  async (scene) => {
    const gameserver = scene.node("gs-1");
    const players = await scene.enterAll([scene.node("proxy-1")], "north");
    for (const player of players) player.talk(1e6);
    for (let time = 0; time < 2; time++) {
      await scene.moment(players);
      await gameserver.stop();
      // Some 17 s of talk: twice of what a proxy keeps for one client.
      const due = players.map(({ sent }) => sent + 340);
      await until("much was said", () => players.every(({ sent }, at) => sent >= (due[at] ?? 0)));
      gameserver.start();
      await answers(players, 1);
    }
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    for (const { drops } of players) assert.equal(drops, 0, "no client's connection was touched");
  },
);
