import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connect } from "@atlasnet/client";
import { until } from "../testing/until.ts";
import { MigrationDesk } from "./migration-desk.ts";
import { CHECKER, MigrationPlayers } from "./migration-players.ts";
import { definition, STROKE_TICKS } from "./migration-world.ts";
import { operate } from "./operator.ts";
import { BRIEF, chaos, SCHEMES, type Scene } from "./scene.ts";

const CLOCK = fileURLToPath(new URL("./migration-world.js", import.meta.url));
const MOVES = BRIEF ? 3 : 20;

chaos(
  "a world moves to and fro while players of every transport talk to it through two proxies",
  {
    ...{ proxies: 2, gameservers: 2, apiservers: 3, worlds: [] },
    // A copy takes long enough, a second, for another process to start and ask for the same.
    settings: { "migration.bytesPerSecond": String(64 * 1024) },
  },
  async (scene) => {
    const { cluster } = scene;
    const run = async (...args: string[]) => {
      const end = await operate(cluster, ...args);
      assert.equal(end.code, 0, end.talk);
      return end;
    };
    const refused = async (expected: RegExp, ...args: string[]) => {
      const { code, talk } = await operate(cluster, ...args);
      assert.equal(code, 3, talk);
      assert.match(talk, expected);
    };
    const config = { stateBytes: 64 * 1024, beatTicks: 20 };
    await cluster.createWorld("arena", CHECKER, { config });
    await cluster.createWorld("tower", CLOCK);
    const tower = await listen(scene);
    const players = new MigrationPlayers();
    scene.whenOver(() => players.close());
    for (const proxy of ["proxy-1", "proxy-2"])
      for (const scheme of SCHEMES)
        await players.enter("arena", [cluster.url(scheme, scene.node(proxy))]);
    await players.answers(5);

    const first = await cluster.owned("arena");
    const other = first.node === "gs-1" ? scene.node("gs-2") : scene.node("gs-1");
    await refused(/has it already/, "world", "migrate", "arena", "--to", first.node);
    await refused(/gs-9/, "world", "migrate", "arena", "--to", "gs-9");
    await refused(/no gameserver|is not/, "world", "migrate", "arena", "--to", "proxy-1");
    await run("node", "cordon", other.node);
    await refused(/cordoned/, "world", "migrate", "arena", "--to", other.node);
    await run("node", "uncordon", other.node);

    const desk = new MigrationDesk(cluster, "arena");
    let [from, to] = [first, other];
    for (let move = 0; move < MOVES; move++) {
      const moving = operate(cluster, "world", "migrate", "arena", "--to", to.node, "--wait");
      await desk.phase(from, ["copying"]);
      // The second of two operators is told of the first.
      await refused(
        new RegExp(`on its way from ${from.node} to ${to.node} already: .* begun at`),
        ...["world", "migrate", "arena", "--to", to.node],
      );
      const { code, talk } = await moving;
      assert.equal(code, 0, talk);
      assert.match(
        talk,
        new RegExp(`moved from ${from.node} to ${to.node} .* stood still for \\d+ ms`),
      );
      assert.equal((await desk.settled()).node, to.node);
      await players.answers(3);
      [from, to] = [to, from];
    }
    // Both worlds, as they are, away from one of them.
    await run("world", "migrate", "--all-from", (await cluster.owned("tower")).node);
    const home = await cluster.owned("tower");
    await desk.settled();
    const strokes = tower.length;
    await until("the clock goes on", () => tower.length > strokes + 3);
    await players.answers(3);
    const { out } = await run("migration", "ls", "--ended");
    assert.match(out, new RegExp(`tower +\\S+ +${home.node} +operator .* ms +moved`));

    // Cancelled before the switch: it stays where it is.
    const stays = await cluster.owned("arena");
    const begun = await desk.begin();
    await run("migration", "cancel", "arena");
    assert.equal((await desk.ended(begun)).outcome, "aborted");
    assert.equal((await desk.settled()).node, stays.node);

    await players.answers(3);
    await players.assertHistory();
    players.assertUndisturbed();
    for (const [at, stroke] of tower.entries()) {
      const { n, tick } = tower[0] ?? assert.fail("it strikes");
      assert.deepEqual(stroke, { n: n + at, tick: tick + at * STROKE_TICKS });
    }
  },
);

/** What the clock strikes from now on. */
async function listen(scene: Scene): Promise<readonly { n: number; tick: number }[]> {
  const strokes: { n: number; tick: number }[] = [];
  const client = connect({ url: scene.cluster.url("ws", scene.node("proxy-1")) });
  scene.whenOver(() => client.close());
  const world = await client.join(definition, { world: "tower" });
  world.onMessage("stroke", ({ n, tick }) => strokes.push({ n, tick }));
  return strokes;
}
