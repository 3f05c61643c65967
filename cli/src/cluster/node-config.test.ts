import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadConfig } from "@atlasnet/core/node";
import { layoutCluster, type NodePlan } from "./layout.ts";
import { type ClusterWorld, nodeConfig, SNAPSHOT_INTERVAL_MS } from "./node-config.ts";

let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), "atlasnet-node-config-"));
});
after(() => rm(work, { recursive: true, force: true }));

const world = (name: string, rest: Partial<ClusterWorld> = {}): ClusterWorld => ({
  name,
  file: join(work, `${name}.mjs`),
  config: {},
  durability: "journal",
  graceSeconds: 30,
  ...rest,
});

/** What the processes read, after a user's file and flags. */
async function configs(userToml: string, flags: { [path: string]: string } = {}, apiservers = 0) {
  const file = join(work, "user.toml");
  await writeFile(file, userToml);
  const loaded = await loadConfig({
    file,
    env: {},
    workingDir: work,
    flags: Object.entries(flags).map(([path, text]) => ({ name: `--${path}`, path, text })),
  });
  const worlds = [
    world("arena", { config: { bots: 8, names: ['a"b', "ü"], deep: { "odd key": true } } }),
    world("lobby"),
  ];
  const plans = layoutCluster({
    proxies: 2,
    gameservers: 2,
    apiservers,
    basePort: loaded.config.proxy.port,
    worlds: worlds.map(({ name }) => name),
  });
  const folder = { dir: join(work, "cluster") };
  const services = [{ name: "clock", file: join(work, "clock.mjs") }];
  const all = { plans, folder, loaded, worlds, services, keepsSnapshots: true };
  const text = (plan: NodePlan) => nodeConfig({ ...all, plan });
  const read = async (plan: NodePlan) => {
    const nodeFile = join(work, `${plan.node}.toml`);
    await writeFile(nodeFile, text(plan));
    return loadConfig({ file: nodeFile, env: {}, workingDir: work });
  };
  return Promise.all(plans.map(read));
}

test("each node reads what makes it one of the cluster", async () => {
  const [proxy1, proxy2, gs1, gs2] = (await configs("")).map(({ config }) => config);
  assert.ok(proxy1 && proxy2 && gs1 && gs2);
  assert.deepEqual(
    [proxy1, proxy2, gs1, gs2].map(({ node, health }) => [node.id, health.host, health.port]),
    [
      ["proxy-1", "127.0.0.1", 2557],
      ["proxy-2", "127.0.0.1", 2567],
      ["gs-1", "127.0.0.1", 2559],
      ["gs-2", "127.0.0.1", 2569],
    ],
  );
  assert.deepEqual([proxy1.proxy.port, proxy2.proxy.port], [2555, 2565]);
  assert.deepEqual(proxy2.proxy.endpoints, ["localhost:2555", "localhost:2565"]);
  assert.deepEqual(proxy1.links.peers, ["gs-1=127.0.0.1:2556", "gs-2=127.0.0.1:2566"]);
  assert.deepEqual([gs2.links.host, gs2.links.port], ["127.0.0.1", 2566]);
  assert.equal(gs1.identity.ca, join(work, "cluster", "ca"));
  assert.equal(gs1.data.dir, join(work, "cluster", "gs-1", "data"));
  assert.equal(new Set([proxy1, proxy2, gs1, gs2].map(({ identity }) => identity.dir)).size, 4);
  assert.ok([proxy1, gs1].every(({ http, log }) => !http.enabled && log.format === "json"));
});

test("gameservers have a store of snapshots in common, and apiservers know of it", async () => {
  const stores = async (...given: Parameters<typeof configs>) =>
    (await configs(...given)).map(({ config }) => [config.node.id, config.snapshot.store]);
  const store = join(work, "cluster", "snapshots");
  assert.deepEqual(await stores("", {}, 1), [
    ["proxy-1", undefined],
    ["proxy-2", undefined],
    ["gs-1", store],
    ["gs-2", store],
    ["api-1", store],
  ]);
  const others = new Set((await stores("", {})).map(([, each]) => each));
  assert.deepEqual([...others], [undefined], "nobody would record them without apiservers");
  const own = join(work, "own");
  for (const [, each] of await stores("", { "snapshot.store": own }, 1)) assert.equal(each, own);
});

test("worlds are kept every few seconds, so that players survive a killed gameserver, or as the user says", async () => {
  const intervals = async (...given: Parameters<typeof configs>) =>
    (await configs(...given))
      .filter(({ config }) => config.node.id.startsWith("gs-"))
      .map(({ config }) => config.snapshot.intervalMs);
  assert.deepEqual(await intervals("", {}, 1), [SNAPSHOT_INTERVAL_MS, SNAPSHOT_INTERVAL_MS]);
  assert.deepEqual(await intervals("", { "snapshot.intervalMs": "60000" }, 1), [60_000, 60_000]);
  assert.deepEqual(
    await intervals("", {}),
    [300_000, 300_000],
    "nowhere to go on without apiservers",
  );
});

test("a world is at its gameserver, with all that its configuration says", async () => {
  const [proxy1, , gs1, gs2] = (await configs("")).map(({ config }) => config);
  assert.deepEqual(proxy1?.worlds, []);
  assert.deepEqual(
    gs1?.worlds.map(({ name, module, config }) => [name, module, config]),
    [
      [
        "arena",
        join(work, "arena.mjs"),
        { bots: 8, names: ['a"b', "ü"], deep: { "odd key": true } },
      ],
    ],
  );
  assert.deepEqual(
    gs2?.worlds.map(({ name }) => name),
    ["lobby"],
  );
  assert.equal(gs2?.services[0]?.module, join(work, "clock.mjs"));
});

test("what the user set holds, but for what the cluster decides; defaults stay unset", async () => {
  const toml = `
    [node]
    id = "mine"
    [data]
    dir = "./mine"
    fresh = true
    [health]
    port = 4000
    [proxy]
    endpoints = ["play.example.org:2555"]
    [tickets]
    keyFile = "./tickets.jwks.json"
    [gameserver.multicast]
    address = "239.255.0.1:30001"
    topics = ["arena/scores", "lobby/chat"]
    [worlds.file]
    module = "./file.mjs"
  `;
  const [proxy1, , gs1] = await configs(toml, { "log.level": "debug", "proxy.port": "3555" });
  assert.ok(proxy1 && gs1);
  assert.deepEqual([gs1.config.node.id, gs1.config.health.port], ["gs-1", 3559]);
  assert.equal(gs1.config.log.level, "debug");
  assert.equal(gs1.config.tickets.keyFile, join(work, "tickets.jwks.json"));
  assert.deepEqual(proxy1.config.proxy.endpoints, ["play.example.org:2555"]);
  assert.deepEqual(gs1.config.gameserver.multicast.topics, ["arena/scores"]);
  // Said to the first start alone, by a flag.
  assert.equal(gs1.config.data.fresh, false);
  assert.deepEqual(
    gs1.config.worlds.map(({ name }) => name),
    ["arena"],
  );
  assert.equal(proxy1.origins.get("proxy.udp.keyFile")?.kind, "default");
});

test("with apiservers nodes are told of those alone, and worlds are in no file", async () => {
  const all = (await configs("", {}, 2)).map(({ config }) => config);
  const [proxy1, , gs1, , api1, api2] = all;
  assert.ok(proxy1 && gs1 && api1 && api2);
  const addresses = ["http://127.0.0.1:2560", "http://127.0.0.1:2570"];
  for (const { cluster, links, worlds } of [proxy1, gs1])
    assert.deepEqual([cluster.apiservers, links.peers, worlds], [addresses, [], []]);
  for (const { apiserver, cluster } of [api1, api2]) {
    assert.deepEqual(apiserver.peers, ["api-1=127.0.0.1:2561", "api-2=127.0.0.1:2571"]);
    assert.deepEqual(cluster.apiservers, []);
    // One administrator for all of them.
    assert.equal(apiserver.adminToken, join(work, "cluster", "admin.token"));
  }
  assert.deepEqual([api2.node.id, api2.apiserver.port, api2.links.port], ["api-2", 2570, 2571]);
  assert.equal(gs1.services[0]?.module, join(work, "clock.mjs"));
});
