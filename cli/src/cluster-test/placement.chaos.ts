import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertAllIsWell, LEDGER_FILE } from "@atlasnet/monolith/testing";
import { nodeConfigFile } from "../cluster/node-config.ts";
import { until } from "../testing/until.ts";
import { RolledBackBooks } from "./rolled-back-books.ts";
import { answers, chaos } from "./scene.ts";

chaos(
  "a gameserver comes back at a higher epoch, and at a lower one without its data",
  { proxies: 1, gameservers: 2, worlds: ["north", "east"] },
  async (scene) => {
    const [proxy, gameserver] = [scene.node("proxy-1"), scene.node("gs-1")];
    const player = await scene.enter("tcp", [proxy], "north");
    const other = await scene.enter("ws", [proxy], "east");
    const books = new RolledBackBooks(player);
    for (const each of [player, other]) each.talk(1e6);
    await answers([player], 10);
    for (let restart = 1; restart <= 2; restart++) {
      await gameserver.stop();
      gameserver.start();
      await answers([player], 5);
    }
    assert.equal(books.rollbacks, 0);
    await gameserver.kill();
    await rm(scene.cluster.dataOf(gameserver), { recursive: true });
    gameserver.start();
    // The session is no more: the player joins anew, a world that knows nothing.
    await until("it heard of it", () => books.rollbacks === 1 && player.world.connected);
    await answers([player], 5);
    // Who comes now goes the same way.
    const late = await scene.enter("udp", [proxy], "north");
    late.talk(20);
    await answers([late], 5);
    for (const each of [player, other]) each.stop();
    await assertAllIsWell([other]);
    assert.equal(other.drops, 0, "the other gameserver's player noticed nothing");
  },
);

chaos(
  "a world moves to another gameserver, its data by hand: players go on there",
  { proxies: 2, gameservers: 2, worlds: ["north", "east", "south"] },
  async (scene) => {
    const proxies = [scene.node("proxy-1"), scene.node("proxy-2")];
    const [from, to] = [scene.node("gs-1"), scene.node("gs-2")];
    const players = await scene.enterAll(proxies, "north");
    const neighbours = [
      await scene.enter("ws", proxies, "south"),
      await scene.enter("tcp", proxies, "east"),
    ];
    for (const player of [...players, ...neighbours]) player.talk(1e6);
    await scene.moment(players);
    await Promise.all([from.stop(), to.stop()]);
    const [source, target] = [from, to].map((node) => scene.cluster.dataOf(node));
    assert.ok(source !== undefined && target !== undefined);
    await cp(join(source, "worlds", "north"), join(target, "worlds", "north"), {
      recursive: true,
    });
    const file = nodeConfigFile(scene.cluster, from.node);
    const lines = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, lines.filter((line) => !line.startsWith("worlds.north.")).join("\n"));
    // The new owner first: the world stays with the old one until that one says that it has it no more.
    to.start(["--world", `north=${LEDGER_FILE}`]);
    await to.ready();
    from.start();
    await answers([...players, ...neighbours], 5);
    assert.equal(await to.metric("atlasnet_world_sessions", { world: "north" }), players.length);
    for (const player of [...players, ...neighbours]) player.stop();
    await assertAllIsWell(players);
    for (const player of neighbours) await assertAllIsWell([player]);
    for (const { drops } of [...players, ...neighbours]) assert.equal(drops, 0);
  },
);
