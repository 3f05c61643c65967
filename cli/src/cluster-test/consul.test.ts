import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import { connect } from "@atlasnet/client";
import { NO_CONSUL, startServerAgent } from "@atlasnet/consul/testing";
import { OperatingError } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { assertAllIsWell, LEDGER_FILE, LedgerPlayer, ledger } from "@atlasnet/monolith/testing";
import { Catalogue } from "../cluster/catalogue.ts";
import { layoutCluster } from "../cluster/layout.ts";
import { LOOPBACK } from "../cluster/node-config.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { ApiserverCluster } from "../testing/apiserver-cluster.ts";
import { startAll } from "../testing/atlasnet-child.ts";
import { NodeProcess } from "../testing/node-process.ts";
import { until } from "../testing/until.ts";
import { answers } from "./scene.ts";

/** A cluster that has its control state in Consul, and finds itself there; everything is a process of its own. */

const why =
  process.platform === "win32" ? "it kills processes" : NO_CONSUL === undefined ? "" : NO_CONSUL;
/** Longer than Consul takes to free the lock of a leader that died. */
const LEASE_MS = 30_000;
const FAILOVER_MS = 40_000;

async function scene(t: TestContext) {
  const closers: (() => unknown)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const apiservers = await startApiservers(closers);
  const { cluster, discovery, agent } = apiservers;
  const basePort = await freeBase(1, 1);
  const plans = layoutCluster({ proxies: 1, gameservers: 1, basePort, worlds: [] });
  const nodes = await Promise.all(
    plans.map(async (plan) => {
      const config = join(cluster.dir, `${plan.node}.toml`);
      await writeFile(config, "");
      const { players, links, health } = plan.ports;
      const settings = {
        ...discovery,
        "node.id": plan.node,
        "data.dir": join(cluster.dir, plan.node),
        "identity.ca": join(cluster.dir, "ca"),
        "log.format": "json",
        "health.port": String(health),
        "links.host": LOOPBACK,
        ...(links !== undefined && {
          "links.port": String(links),
          "gameserver.threads": "1",
          "node.leaseMs": String(LEASE_MS),
        }),
        ...(players !== undefined && {
          "proxy.host": LOOPBACK,
          "proxy.port": String(players),
          "proxy.endpoints": `${LOOPBACK}:${players}`,
        }),
      };
      const flags = Object.entries(settings).map(([path, text]) => `--${path}=${text}`);
      return new NodeProcess({ plan, config, flags });
    }),
  );
  closers.push(() => Promise.all(nodes.map((node) => node.destroy())));
  await startAll(nodes, async () => undefined);
  const catalogue = await Catalogue.open({
    addresses: cluster.nodes.map(({ api }) => api),
    tokenFile: join(cluster.dir, "api-1", "admin.token"),
  });
  closers.push(() => catalogue.close());
  await catalogue.putWorlds([
    { name: "north", file: LEDGER_FILE, config: {}, durability: "journal", graceSeconds: 60 },
  ]);
  const client = connect({ url: `ws://${LOOPBACK}:${basePort}` });
  closers.push(() => client.close());
  const player = new LedgerPlayer(await client.join(ledger, { world: "north" }));
  closers.push(() => player.stop());
  return { cluster, agent, player };
}

async function startApiservers(closers: (() => unknown)[]) {
  const consul = await mkdtemp(join(tmpdir(), "atlasnet-consul-"));
  closers.push(() => rm(consul, { recursive: true, force: true, maxRetries: 5 }));
  const agent = await startServerAgent(consul);
  closers.push(() => agent.kill());
  const discovery = {
    "discovery.type": "consul",
    "discovery.consul.address": agent.address,
    "discovery.consul.ttlMs": "3000",
  };
  const cluster = await ApiserverCluster.start({
    settings: { ...discovery, "apiserver.store": "consul", "apiserver.peers": "" },
  });
  closers.push(() => cluster.stop());
  return { agent, cluster, discovery };
}

test(`a cluster with its state in Consul goes on when its leader is killed, and when Consul was${why === "" ? "" : ` (skipped: ${why})`}`, {
  skip: why !== "",
  timeout: 180_000,
}, async (t) => {
  const { cluster, agent, player } = await scene(t);
  const clientOf = async (retryMs: number) => {
    const addresses = cluster.nodes.map(({ api }) => api);
    const token = (await cluster.nodes[0]?.token()) ?? assert.fail();
    const ports = { clock: systemClock, random: systemRandom };
    const client = new ApiClient({ addresses, token, retryMs }, ports);
    t.after(() => client.close());
    return client;
  };
  const client = await clientOf(FAILOVER_MS);
  const store = new ControlClient({ client });
  player.talk(1e6);
  await answers([player], 10);

  const leader = await cluster.leader();
  await leader.kill();
  const killed = performance.now();
  await store.txn(put("k/a"));
  const tookMs = Math.round(performance.now() - killed);
  t.diagnostic(`the next leader took a write ${tookMs} ms after the kill`);
  await answers([player], 10);
  leader.start();
  await leader.ready();

  await agent.kill();
  const [some = assert.fail()] = cluster.nodes;
  await until("/ready says why", async () =>
    (await some.readiness()).includes("Consul cannot be used"),
  );
  const impatient = new ControlClient({ client: await clientOf(1_000) });
  await assert.rejects(impatient.txn(put("k/b")), isRefused("no-quorum", /consul members/));
  const local = await impatient.range({ key: "k/a", consistency: "local" });
  assert.equal(local.items.length, 1);
  await answers([player], 10);
  await agent.startAgain();
  await store.txn(put("k/c"));
  for (const node of cluster.nodes) await node.ready();
  await answers([player], 10);

  await assert.rejects(
    client.request({ method: "GET", path: "/v1/raft" }),
    isRefused("not-available", /atlasnet status/),
  );
  player.stop();
  await assertAllIsWell([player]);
  assert.equal(player.drops, 0, "players noticed nothing of it");
  const keys = (await store.range({ prefix: "k/" })).items.map(({ key }) => key);
  assert.deepEqual(
    keys.filter((key) => key !== "k/b"),
    ["k/a", "k/c"],
  );
});

function put(key: string) {
  const value = new TextEncoder().encode(key);
  return { compare: [], then: [{ type: "put", key, value }] } as const;
}

function isRefused(code: string, hint: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof OperatingError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.hint ?? "", hint);
    return true;
  };
}
