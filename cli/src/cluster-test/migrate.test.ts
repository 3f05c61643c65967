import assert from "node:assert/strict";
import { assertAllIsWell, LEDGER_FILE } from "@atlasnet/monolith/testing";
import { operate } from "./operator.ts";
import { answers, chaos } from "./scene.ts";

chaos(
  "worlds change their gameserver while players of every transport talk to them",
  { proxies: 1, gameservers: 2, apiservers: 1, worlds: [], always: true },
  async (scene) => {
    const { cluster } = scene;
    const run = async (...args: string[]) => {
      const end = await operate(cluster, ...args);
      assert.equal(end.code, 0, end.talk);
      return end;
    };
    await run("world", "create", "arena", "--module", LEDGER_FILE);
    const from = await cluster.owned("arena");
    const players = await scene.enterAll([scene.node("proxy-1")], "arena");
    const closes: string[] = [];
    for (const player of players) {
      player.world.onClose(() => closes.push("closed"));
      player.talk(1e6);
    }
    await answers(players, 10);
    const there = await run("world", "migrate", "arena", "--wait");
    assert.match(there.talk, new RegExp(`moved from ${from.node} to .*stood still for \\d+ ms`));
    const to = await cluster.owned("arena", (node) => node !== from.node);
    await answers(players, 10);
    const back = await run("world", "migrate", "--all-from", to.node);
    assert.match(back.talk, /1 moved away/);
    await cluster.owned("arena", (node) => node === from.node);
    await answers(players, 10);
    const ended = await run("migration", "ls", "--ended");
    assert.match(ended.out, new RegExp(`arena +${to.node} +${from.node} +operator .* ms +moved`));
    for (const player of players) player.stop();
    assert.deepEqual(closes, []);
    await assertAllIsWell(players);
  },
);
