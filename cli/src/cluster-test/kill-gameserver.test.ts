import {
  assertAllIsWell,
  assertAllSeeTheWorld,
  type LedgerPlayer,
} from "@atlasnet/monolith/testing";
import { until } from "../testing/until.ts";
import { RolledBackBooks } from "./rolled-back-books.ts";
import { answers, BRIEF, chaos } from "./scene.ts";

const SYNC_MS = 200;
/** Of the ledger. */
const TICK_MS = 50;
/** A sync begins when the last is done, and takes as long as the disk takes. */
const MOST_TICKS = (3 * SYNC_MS) / TICK_MS + 20;

chaos(
  "a gameserver is killed: its players wait and go on, those of the other notice nothing",
  {
    proxies: 1,
    gameservers: 2,
    // In turn: north and south are of gs-1, east and west of gs-2.
    worlds: ["north", "east", "south", "west"],
    settings: { "journal.syncMs": String(SYNC_MS) },
  },
  async (scene) => {
    const proxy = scene.node("proxy-1");
    const gameserver = scene.node("gs-1");
    const hit = await Promise.all([
      scene.enter("ws", [proxy], "north"),
      scene.enter("tcp", [proxy], "north"),
      scene.enter("udp", [proxy], "south"),
    ]);
    const others = await Promise.all([
      scene.enter("ws", [proxy], "east"),
      scene.enter("tcp", [proxy], "west"),
      scene.enter("udp", [proxy], "west"),
    ]);
    const books = hit.map((player) => new RolledBackBooks(player));
    for (const player of [...hit, ...others]) player.talk(1e6);
    for (let kill = 0; kill < (BRIEF ? 1 : 2); kill++) {
      // The sessions, too, are known only to what was synced.
      await answers(hit, SYNC_MS / TICK_MS + 10);
      await scene.moment(hit);
      await gameserver.kill();
      await answers(others, 3);
      gameserver.start();
      await answers(hit, 5);
    }
    for (const player of [...hit, ...others]) player.stop();
    await until("the last message is answered", () =>
      hit.every(({ said, sent }) => said.at(-1) === sent),
    );
    for (const world of ["north", "south"]) await assertAllSeeTheWorld(of(world, hit));
    for (const each of books) each.assertWell(MOST_TICKS);
    for (const world of ["east", "west"]) await assertAllIsWell(of(world, others));
    for (const { drops } of [...hit, ...others])
      if (drops > 0) throw new Error("no socket was to be touched");
  },
);

function of(name: string, players: readonly LedgerPlayer[]): LedgerPlayer[] {
  return players.filter(({ world }) => world.name === name);
}
