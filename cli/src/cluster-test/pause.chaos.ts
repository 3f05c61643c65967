import assert from "node:assert/strict";
import { assertAllIsWell } from "@atlasnet/monolith/testing";
import { until } from "../testing/until.ts";
import { answers, chaos } from "./scene.ts";

const cluster = { proxies: 2, gameservers: 1, worlds: ["north"] } as const;

chaos("a gameserver stands still for longer than links wait", cluster, async (scene) => {
  const proxies = [scene.node("proxy-1"), scene.node("proxy-2")];
  const gameserver = scene.node("gs-1");
  const players = await scene.enterAll(proxies.slice(0, 1), "north");
  players.push(await scene.enter("tcp", proxies.slice(1), "north"));
  for (const player of players) player.talk(1e6);
  await scene.moment(players);
  gameserver.signal("SIGSTOP");
  await until("the links are given up", async () => {
    const up = await Promise.all(proxies.map((it) => it.metric("atlasnet_proxy_link_up")));
    return up.every((links) => links === 0);
  });
  gameserver.signal("SIGCONT");
  await answers(players, 5);
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  for (const { drops } of players) assert.equal(drops, 0, "no client's connection was touched");
});

chaos("a proxy stands still for longer than links wait", cluster, async (scene) => {
  const [paused, other] = [scene.node("proxy-1"), scene.node("proxy-2")];
  const gameserver = scene.node("gs-1");
  const players = await scene.enterAll([paused], "north");
  for (const player of players) player.talk(1e6);
  await scene.moment(players);
  paused.signal("SIGSTOP");
  await until(
    "its link is given up",
    async () => (await gameserver.metric("atlasnet_link_open", { adapter: "quic" })) === 1,
  );
  // Clients miss it, too, and go on elsewhere; what it still has of them is of no use to it later.
  await until("everybody went on", () =>
    players.every(({ drops, world }) => drops > 0 && world.connected),
  );
  await answers(players, 3);
  paused.signal("SIGCONT");
  await until("it is back", async () => (await paused.metric("atlasnet_proxy_link_up")) === 1);
  await answers(players, 3);
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  for (const { drops } of players) assert.equal(drops, 1, "nobody was thrown out by the late one");
  assert.equal(await other.metric("atlasnet_proxy_connections"), players.length);
});
