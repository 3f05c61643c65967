import assert from "node:assert/strict";
import { MigrationDesk } from "./migration-desk.ts";
import { CHECKER, MigrationPlayers } from "./migration-players.ts";
import { operate } from "./operator.ts";
import { chaos, SCHEMES } from "./scene.ts";

chaos(
  "a gameserver drains, is stopped, is stopped with nowhere to go: its world moves live, moves live, is saved",
  {
    ...{ proxies: 2, gameservers: 2, apiservers: 1, worlds: [] },
    settings: { "placement.liveMoves": "true" },
  },
  async (scene) => {
    const { cluster } = scene;
    const run = async (...args: string[]) => {
      const end = await operate(cluster, ...args);
      assert.equal(end.code, 0, end.talk);
      return end;
    };
    await cluster.createWorld("arena", CHECKER, { config: { stateBytes: 100_000, beatTicks: 20 } });
    const desk = new MigrationDesk(cluster, "arena");
    const players = new MigrationPlayers();
    scene.whenOver(() => players.close());
    for (const proxy of ["proxy-1", "proxy-2"])
      for (const scheme of SCHEMES)
        await players.enter("arena", [cluster.url(scheme, scene.node(proxy))]);
    await players.answers(5);

    const first = await desk.settled();
    const second = first.node === "gs-1" ? scene.node("gs-2") : scene.node("gs-1");
    const { talk } = await run("node", "drain", first.node, "--deadline", "30s");
    assert.match(talk, new RegExp(`^1 world left\\.\nNode ${first.node} is empty\\.$`, "m"));
    await cluster.owned("arena", (node) => node === second.node);
    assert.equal(await desk.settled(), second);
    await players.answers(5);
    await run("node", "undrain", first.node);

    const { code, text } = await second.stop();
    assert.equal(code, 0, text);
    assert.equal(await desk.settled(), first);
    await players.answers(5);
    assert.equal((await desk.last()).outcome, "moved");

    // The other one comes back, and takes nothing.
    second.start();
    await second.ready();
    await run("node", "cordon", second.node);
    const stays = await operate(cluster, "node", "drain", first.node, "--deadline", "1s");
    assert.equal(stays.code, 1);
    assert.match(
      stays.talk,
      new RegExp(`still has 1 world after 1 s: arena \\(.*${second.node}: it is cordoned`),
    );
    assert.equal(await desk.settled(), first, "it runs on there");
    const from = first.lines.length;
    assert.equal((await first.stop()).code, 0);
    assert.match(
      first.lines.slice(from).join("\n"),
      /No other gameserver takes worlds: they are saved here/,
    );
    first.start();
    assert.equal(await desk.settled(), first);
    await players.answers(5);
    await players.assertHistory();
    players.assertUndisturbed();
  },
);
