import { reached } from "@atlasnet/core/testing";
import type { LedgerPlayer } from "./ledger-player.ts";

/** Players of one world: all said was applied once and in order, all see the world as it is. */
export async function assertAllIsWell(players: readonly LedgerPlayer[]): Promise<void> {
  await reached(() => players.every(({ answered }) => answered));
  await assertAllSeeTheWorld(players);
  for (const player of players) player.assertBooks();
}

/** Freezes the world and holds what each player sees of it against what it is. */
export async function assertAllSeeTheWorld(players: readonly LedgerPlayer[]): Promise<void> {
  await Promise.all(players.map((player) => player.settle()));
  players[0]?.world.send("freeze", {});
  await reached(() => players.every(({ frozen }) => frozen));
  await Promise.all(players.map((player) => player.assertMirror()));
}
