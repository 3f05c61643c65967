import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { assertAllIsWell, LEDGER_FILE } from "@atlasnet/monolith/testing";
import { operate } from "./operator.ts";
import { RolledBackBooks } from "./rolled-back-books.ts";
import { answers, chaos } from "./scene.ts";

const store = mkdtempSync(join(tmpdir(), "atlasnet-snapshots-"));
after(() => rmSync(store, { recursive: true, force: true }));

chaos(
  "a node drains: its worlds go on elsewhere with all their state, by the snapshot store",
  {
    ...{ proxies: 1, gameservers: 2, apiservers: 1, worlds: [] },
    settings: { "snapshot.store": store },
  },
  async (scene) => {
    const { cluster } = scene;
    const made = await operate(cluster, "world", "create", "arena", "--module", LEDGER_FILE);
    assert.equal(made.code, 0, made.talk);
    const from = await cluster.owned("arena");
    const players = await scene.enterAll([scene.node("proxy-1")], "arena");
    const books = players.map((player) => new RolledBackBooks(player));
    for (const player of players) player.talk(1e6);
    await answers(players, 10);
    const drained = await operate(cluster, "node", "drain", from.node);
    assert.equal(drained.code, 0, drained.talk);
    await cluster.owned("arena", (node) => node !== from.node);
    await answers(players, 10);
    for (const player of players) player.stop();
    for (const { rollbacks } of books) assert.equal(rollbacks, 0, "time did not go back");
    await assertAllIsWell(players);
  },
);
