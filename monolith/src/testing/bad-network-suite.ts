import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { type FlowStats, type Relay, startRelay } from "@atlasnet/netem";
import { assertAllIsWell } from "./all-is-well.ts";
import { LedgerPlayer } from "./ledger-player.ts";
import { startLedgerServer } from "./ledger-server.ts";
import { definition } from "./ledger-world.ts";
import type { ServerForm } from "./server-forms.ts";

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
async function scene(t: TestContext, form: ServerForm, scheme: Scheme): Promise<Scene> {
  const { server, place } = await startLedgerServer(t, form);
  const { port } = server.players;
  const relay = await startRelay({ target: { host: "127.0.0.1", port }, conditions: BAD });
  place.undo(() => relay.stop());
  const url = `${scheme}://127.0.0.1:${relay.address.port}`;
  const enter = async () => {
    const client = server.client(scheme, { url });
    return new LedgerPlayer(await client.join(definition, { world: "ledger" }));
  };
  const players = await Promise.all(Array.from({ length: PLAYERS }, enter));
  place.undo(() => {
    for (const player of players) player.stop();
  });
  const stats = relay.stats[scheme === "udp" ? "udp" : "tcp"];
  assert.ok(stats !== undefined);
  return { relay, players, stats };
}

const schemes: readonly Scheme[] = ["tcp", "ws", "udp"];
/** Tests wait for ticks and for the network, not for the processor. */
const AT_ONCE = 3;

/** What players of a server of any form are promised on a bad network. */
export function badNetworkSuite(form: ServerForm): void {
  describe(`bad network: ${form.name}`, { concurrency: AT_ONCE }, () => {
    for (const scheme of schemes) declare(form, scheme);
  });
}

function declare(form: ServerForm, scheme: Scheme): void {
  const change = scheme === "udp" ? "a change of address" : "a lost connection";
  test(`${form.name}, ${scheme}: all arrives once and in order over a bad network, across ${change}`, async (t) => {
    const { relay, players, stats } = await scene(t, form, scheme);
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

  test(`${form.name}, ${scheme}: a cut of seconds heals`, async (t) => {
    const { relay, players } = await scene(t, form, scheme);
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
