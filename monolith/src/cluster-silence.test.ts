import assert from "node:assert/strict";
import { test } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { type Direction, startRelay } from "@atlasnet/netem";
import { QuicNetworks } from "@atlasnet/quic/testing";
import { assertAllIsWell } from "./testing/all-is-well.ts";
import { CLUSTER_PEERS, TestCluster } from "./testing/test-cluster.ts";

test("a line that goes silent, both ways or one, until both ends gave it up: nothing is lost or said twice", async (t) => {
  const networks = await QuicNetworks.create(CLUSTER_PEERS, { idleTimeoutMs: 1_500 });
  const cluster = await TestCluster.start(t, { networks });
  await cluster.gameserver("g1", ["north"]);
  const target = networks.addressOf("g1");
  assert.ok(target !== undefined);
  const relay = await startRelay({ target, tcp: false });
  cluster.undo(() => relay.stop());
  networks.detours.set("p1 g1", relay.address);
  const [p1, p2] = [await cluster.proxy("p1", ["g1"]), await cluster.proxy("p2", ["g1"])];
  const players = await Promise.all(
    [p1, p1, p2].map(({ address }) => cluster.player(address, "north")),
  );
  for (const player of players) player.talk(1e6);
  const up = () => p1.proxy.counters.linksUp.get("g1") === 1;
  const directions: (Direction | undefined)[] = [undefined, "up", "down"];
  for (const direction of directions) {
    const said = players[0]?.said.length ?? 0;
    await reached(() => (players[0]?.said.length ?? 0) > said + 5);
    relay.setConditions({ loss: 1 }, direction);
    await reached(() => !up());
    relay.setConditions({ loss: 0 });
    await reached(up);
  }
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  assert.ok(p1.proxy.counters.linkReconnects >= directions.length);
  for (const { drops } of players) assert.equal(drops, 0, "no socket was touched");
});
