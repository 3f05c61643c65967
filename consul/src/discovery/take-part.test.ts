import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { noopLogger } from "@atlasnet/core";
import {
  loadConfig,
  type NodeAddress,
  type ProcessRole,
  processDiscovery,
  ServiceHost,
} from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";
import { type DevAgent, NO_CONSUL, startDevAgent } from "../testing/dev-agent.ts";
import { openConsulAgent } from "./open-discovery.ts";
import { discoverApiservers, discoverCluster } from "./take-part.ts";

const why = NO_CONSUL === undefined ? "" : ` (skipped: ${NO_CONSUL})`;

async function configOf(node: string, more: { readonly [path: string]: string }) {
  const texts = { "node.id": node, "health.port": "0", ...more };
  const flags = Object.entries(texts).map(([path, text]) => ({ name: `--${path}`, path, text }));
  return (await loadConfig({ env: {}, flags })).config;
}

describe(`processes that find each other by Consul${why}`, {
  skip: NO_CONSUL !== undefined,
}, () => {
  let dev: DevAgent;
  const hosts: ServiceHost[] = [];
  const stop = new AbortController();
  before(async () => {
    dev = await startDevAgent();
  });
  after(async () => {
    for (const host of hosts) await host.stop();
    await dev.stop();
  });

  async function start(
    node: string,
    role: ProcessRole,
    more: { readonly [path: string]: string } = {},
  ) {
    const config = await configOf(node, {
      "discovery.type": "consul",
      "discovery.consul.address": dev.address,
      ...more,
    });
    const dependencies = { logger: noopLogger, stopSignal: stop.signal };
    const host = await ServiceHost.start({ config, role }, dependencies);
    hosts.push(host);
    return { config, host };
  }

  async function apiserver(n: number, more: { readonly [path: string]: string } = {}) {
    const { config, host } = await start(`api-${n}`, "apiserver", more);
    const addresses = new Map<string, NodeAddress>();
    const process = {
      ...{ node: `api-${n}`, role: "apiserver" as const, cluster: "games" },
      links: { host: "127.0.0.1", port: 2560 + n },
      api: { host: "127.0.0.1", port: 8080 + n, tls: false },
    };
    const named = new Map<string, NodeAddress>();
    const peers = await discoverApiservers(config, { host, process, named, addresses });
    return { host, peers, addresses };
  }

  test("three apiservers begin together, a node finds them, and a fourth is no first one", async () => {
    const load = async () => ({ discoverCluster });
    const node = await start("gs-1", "gameserver");
    const waiting = processDiscovery(node.config, node.host, load);
    const group = await Promise.all([1, 2, 3].map((n) => apiserver(n)));
    for (const { peers } of group) assert.deepEqual([...peers.keys()], ["api-1", "api-2", "api-3"]);
    const { config } = await waiting;
    assert.match(config.cluster.apiservers[0] ?? "", /^http:\/\/127.0.0.1:808[123]$/);
    const fourth = await apiserver(4);
    assert.deepEqual([...fourth.peers.keys()], ["api-1", "api-2", "api-3"]);
    const [first] = group;
    await reached(() => first?.addresses.get("api-4")?.port === 2564);
    await fourth.host.stop();
    const agent = await openConsulAgent(node.config);
    const { value: left } = await agent.services("atlasnet", "apiserver");
    assert.deepEqual(
      left.map(({ id }) => id).sort(),
      ["api-1", "api-2", "api-3"].map((id) => `atlasnet-${id}`),
    );
    agent.close();
  });

  test("with their state in Consul apiservers wait for nobody, are found where they say, and go when they stop", async () => {
    const settings = { "apiserver.store": "consul", "discovery.consul.service": "others" };
    const first = await apiserver(1, settings);
    assert.equal(first.peers.size, 0);
    const advertised = "203.0.113.7:7777";
    const second = await apiserver(2, { ...settings, "links.advertise": advertised });
    await reached(() => first.addresses.has("api-1") && first.addresses.has("api-2"));
    assert.deepEqual(first.addresses.get("api-2"), { host: "203.0.113.7", port: 7777 });
    const port = first.host.health.boundPort ?? assert.fail();
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /^atlasnet_discovery_found\{.*role="apiserver".*\} 2$/m);
    assert.match(metrics, /^atlasnet_discovery_failures_total(\{.*\})? 0$/m);
    await second.host.stop();
    await reached(() => !first.addresses.has("api-2"));
  });

  test("who waits for apiservers ends when the process is to stop", async () => {
    const config = await configOf("gs-9", {
      "discovery.type": "consul",
      "discovery.consul.address": dev.address,
      "discovery.consul.service": "nobody",
    });
    const ending = new AbortController();
    const dependencies = { logger: noopLogger, stopSignal: ending.signal };
    const host = await ServiceHost.start({ config, role: "gameserver" }, dependencies);
    hosts.push(host);
    const waiting = discoverCluster(config, host);
    ending.abort(new Error("the process stops"));
    await assert.rejects(waiting, /the process stops/);
  });
});

test("static addresses load nothing of Consul, and leave the configuration as it is", async () => {
  const config = await configOf("gs-1", { "cluster.apiservers": "http://10.0.0.1:8080" });
  const host = await ServiceHost.start({ config, role: "gameserver" }, { logger: noopLogger });
  const found = await processDiscovery(config, host, () => assert.fail("nothing is loaded"));
  assert.equal(found.config, config);
  found.announce({ node: "gs-1", role: "gameserver" });
  await host.stop();
});

test("a token file that is missing or holds none is refused with what to do", async () => {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-consul-"));
  const file = join(dir, "token");
  const config = await configOf("gs-1", { "discovery.consul.token": file });
  const refused = { code: "bad-token-file", hint: /discovery.consul.token/ };
  await assert.rejects(openConsulAgent(config), { ...refused, message: /is not there/ });
  await writeFile(file, "two words\n");
  await assert.rejects(openConsulAgent(config), { ...refused, message: /holds no token/ });
  await writeFile(file, "6a1253d2-1785-24fd-91c2-f8e78c745511\n");
  (await openConsulAgent(config)).close();
  await rm(dir, { recursive: true });
});

test("a file of certificates that is missing or holds none is refused with what to do", async () => {
  const config = await configOf("gs-1", { "discovery.consul.ca": join(tmpdir(), "none.pem") });
  const hint = /a PEM file/;
  await assert.rejects(openConsulAgent(config), { code: "unreadable-file", hint });
  const wrong = await configOf("gs-1", { "discovery.consul.ca": fileURLToPath(import.meta.url) });
  await assert.rejects(openConsulAgent(wrong), { code: "bad-certificate-file", hint });
});
