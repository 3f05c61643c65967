import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freeBase, RunningCluster } from "../cluster/testing/running-cluster.ts";
import { runCommand } from "../testing/command.ts";
import { CHECKER, MigrationPlayers } from "./migration-players.ts";
import { SCHEMES } from "./scene.ts";

test("all processes of a dev cluster are rolled one by one: players stay in the world, and miss nothing", {
  skip: process.platform === "win32",
  timeout: 120_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "atlasnet-roll-"));
  const base = await freeBase(2, 2, 3);
  const cluster = new RunningCluster(
    [
      ...["--port", String(base), "--http.enabled=false", "--proxy.host", "127.0.0.1"],
      ...["--dir", "cluster", "--world", `arena=${CHECKER}`, "--placement.liveMoves=true"],
      ...["--gameserver.threads=1"],
    ],
    folder,
  );
  const players = new MigrationPlayers();
  t.after(async () => {
    players.close();
    cluster.signal("SIGTERM");
    await cluster.ended;
    rmSync(folder, { recursive: true, force: true });
  });
  await cluster.said(/are running/);
  const proxies = [base, base + 10].map((port) => `127.0.0.1:${port}`);
  for (const order of [proxies, [...proxies].reverse()])
    for (const scheme of SCHEMES)
      await players.enter(
        "arena",
        order.map((address) => `${scheme}://${address}`),
      );
  await players.answers(5);
  const { code, talk } = await runCommand(["dev", "roll", "--dir", join(folder, "cluster")]);
  assert.equal(code, 0, talk);
  for (const node of ["proxy-1", "proxy-2", "gs-1", "gs-2", "api-1", "api-2", "api-3"])
    assert.match(talk, new RegExp(`^${node} was rolled in`, "m"));
  assert.match(cluster.text, /A world has moved/);
  await players.answers(5);
  await players.assertHistory();
  players.assertSameSessions();
});
