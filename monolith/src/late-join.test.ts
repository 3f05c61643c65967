import assert from "node:assert/strict";
import { test } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import { startAbandoningLine } from "./testing/abandoning-line.ts";
import { assertAllIsWell } from "./testing/all-is-well.ts";
import { CLUSTER_PEERS, TestCluster } from "./testing/test-cluster.ts";

for (const links of linkKinds)
  test(`${links.name}: a first join that waited at a proxy without a link does not take the session from who came in elsewhere`, async (t) => {
    const cluster = await TestCluster.start(t, { networks: await links.create(CLUSTER_PEERS) });
    await cluster.gameserver("g1", ["north"]);
    const second = await cluster.proxy("p2", ["g1"]);
    const first = await cluster.proxy("p1", ["g1"]);
    await Promise.all([first.proxy.heard(), second.proxy.heard()]);
    const line = await startAbandoningLine(first.address);
    cluster.undo(() => line.stop());
    cluster.network.sever("p1", "g1");
    const joining = cluster.player([line.address, second.address], "north", {
      ticket: await cluster.ticket("ann"),
    });
    // Its hello is there, and nobody to bring it to.
    await reached(() => first.proxy.counters.messagesIn === 1);
    // The first proxy keeps the connection, as of a machine that lost its power.
    line.abandon();
    const player = await joining;
    player.talk(60);
    await reached(() => player.said.length >= 5);
    cluster.network.mend("p1", "g1");
    await reached(() => first.proxy.counters.closes.get("stale-attempt") === 1);
    await assertAllIsWell([player]);
    assert.equal(player.drops, 0, "it noticed nothing");
  });
