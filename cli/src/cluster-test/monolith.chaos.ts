import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@atlasnet/client";
import { assertAllIsWell, LEDGER_FILE, LedgerPlayer, ledger } from "@atlasnet/monolith/testing";
import { MonolithProcess } from "../testing/monolith-process.ts";
import { until } from "../testing/until.ts";
import { answers } from "./scene.ts";

const LEASE_MS = 1_500;
const OPTIONS = { skip: process.platform === "win32", timeout: 120_000 };

/** Somebody who plays over each transport. */
async function scene(t: TestContext) {
  const server = await MonolithProcess.create([
    ...["--world", `ledger=${LEDGER_FILE}`],
    ...["--node.leaseMs", String(LEASE_MS), "--proxy.limits.idleTimeoutMs", "60000"],
  ]);
  t.after(() => server.destroy());
  server.start();
  await server.ready();
  const players = await Promise.all(
    ["ws", "tcp", "udp"].map(async (scheme) => {
      const client = connect({ url: `${scheme}://${server.players}` });
      t.after(() => client.close());
      const player = new LedgerPlayer(await client.join(ledger, { world: "ledger" }));
      t.after(() => player.stop());
      return player;
    }),
  );
  for (const player of players) player.talk(1e6);
  await answers(players, 5);
  return { server, players };
}

/** How long it stands still is what the test is about. */
async function standStill(server: MonolithProcess, ms: number): Promise<void> {
  server.signal("SIGSTOP");
  await delay(ms);
  server.signal("SIGCONT");
}

test(
  "a monolith that stands still for longer than its lease goes on, given up by its leader or not",
  OPTIONS,
  async (t) => {
    const { server, players } = await scene(t);
    for (let pauses = 0; pauses < 2; pauses++) {
      await standStill(server, 2 * LEASE_MS);
      await answers(players, 5);
    }
    await server.ready();
    for (const player of players) player.stop();
    await assertAllIsWell(players);
  },
);

test(
  "a monolith that stands still for less than its lease pauses, and goes on as it is",
  OPTIONS,
  async (t) => {
    const { server, players } = await scene(t);
    const registered = await server.metric("atlasnet_node_registrations_total");
    for (let pauses = 0; pauses < 3; pauses++) {
      await standStill(server, LEASE_MS / 2);
      await answers(players, 5);
    }
    await until("it is ready", async () => (await server.metric("atlasnet_node_may_act")) === 1);
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    assert.ok(registered !== undefined && registered > 0);
  },
);
