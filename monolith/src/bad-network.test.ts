import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { type FlowStats, type Relay, startRelay } from "@atlasnet/netem";
import { assertAllIsWell } from "./testing/all-is-well.ts";
import { LedgerPlayer } from "./testing/ledger-player.ts";
import { startLedgerServer } from "./testing/ledger-server.ts";
import { definition } from "./testing/ledger-world.ts";
import { reached } from "@atlasnet/core/testing";

type Scheme = "tcp" | "ws" | "udp";

const PLAYERS = 5;

const BAD = {
  loss: 0.05,
  delayMs: 50,
  jitterMs: 20,
  reorder: 0.05,
  duplicate: 0.05,
  seed: 11,
};

interface Scene {
  relay: Relay;
  players: LedgerPlayer[];
  /** Of the transport the players use. */
  stats: FlowStats;
}

/** A server with the ledger, and players that reach it through a relay. */
async function scene(t: TestContext, scheme: Scheme): Promise<Scene> {
  const server = await startLedgerServer(t);
  const { port } = server.addresses.players;
  const relay = await startRelay({ target: { host: "127.0.0.1", port }, conditions: BAD });
  server.undo(() => relay.stop());
  const url = `${scheme}://127.0.0.1:${relay.address.port}`;
  const enter = async () => {
    const client: AtlasNetClient = connect({ url });
    server.undo(() => client.close());
    return new LedgerPlayer(await client.join(definition, { world: "ledger" }));
  };
  const players = await Promise.all(Array.from({ length: PLAYERS }, enter));
  server.undo(() => {
    for (const player of players) player.stop();
  });
  const stats = relay.stats[scheme === "udp" ? "udp" : "tcp"];
  assert.ok(stats !== undefined);
  return { relay, players, stats };
}

const schemes: readonly Scheme[] = ["tcp", "ws", "udp"];
for (const scheme of schemes) {
  const change = scheme === "udp" ? "a change of address" : "a lost connection";
  test(`${scheme}: all arrives once and in order over a bad network, across ${change}`, async (t) => {
    const { relay, players, stats } = await scene(t, scheme);
    for (const player of players) player.talk(60);
    await reached(() => players.every(({ said }) => said.length >= 20));
    relay.rebind();
    relay.breakConnections();
    await assertAllIsWell(players);
    const { up, down } = stats;
    assert.ok(up.lost > 0 && down.lost > 0, "the network was bad");
    if (scheme !== "udp") return;
    assert.ok(up.duplicated > 0 && down.duplicated > 0 && up.reordered > 0 && down.reordered > 0);
    assert.ok(stats.rebinds >= PLAYERS);
    for (const { drops } of players) assert.equal(drops, 0, "the connection went with its player");
  });

  test(`${scheme}: a cut of seconds heals`, async (t) => {
    const { relay, players } = await scene(t, scheme);
    for (const player of players) player.talk(1_000);
    await reached(() => players.every(({ said }) => said.length >= 20));
    // It lasts for 40 messages at 20 a second.
    const until = Math.max(...players.map(({ sent }) => sent)) + 40;
    relay.setConditions({ loss: 1 });
    await reached(() => players.every(({ sent }) => sent >= until));
    assert.ok(
      players.every(({ said }) => said.length < until - 20),
      "the cut was one",
    );
    relay.setConditions({ loss: BAD.loss });
    await reached(() => players.every(({ sent }) => sent >= until + 10));
    for (const player of players) player.stop();
    await assertAllIsWell(players);
  });
}
