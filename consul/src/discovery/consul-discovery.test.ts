import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import type { Announcement, DiscoveredProcess, Health } from "@atlasnet/core/node";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { ConsulAgent } from "../agent/consul-agent.ts";
import { type DevAgent, NO_CONSUL, startDevAgent } from "../testing/dev-agent.ts";
import { ConsulDiscovery } from "./consul-discovery.ts";
import { findApiUrls, findFirstApiservers } from "./find-apiservers.ts";

const why = NO_CONSUL === undefined ? "" : ` (skipped: ${NO_CONSUL})`;
const apiserver = (n: number, host = "0.0.0.0"): Announcement => ({
  ...{ node: `api-${n}`, role: "apiserver", cluster: "games" },
  links: { host, port: 2550 + n },
  api: { host: "10.0.0.9", port: 8080 + n, tls: n % 2 === 0 },
});
const ready = (): Health => ({ ok: true });

describe(`discovery by Consul${why}`, { skip: NO_CONSUL !== undefined }, () => {
  let dev: DevAgent;
  let services = 0;
  const open: ConsulDiscovery[] = [];
  before(async () => {
    dev = await startDevAgent();
  });
  after(async () => {
    for (const discovery of open) await discovery.stop();
    await dev.stop();
  });
  const make = (service: string, advertise?: string): ConsulDiscovery => {
    const options = { service, tags: ["eu"], ttlMs: 60_000, ...(advertise && { advertise }) };
    const agent = new ConsulAgent(dev);
    const discovery = new ConsulDiscovery(options, {
      agent,
      clock: systemClock,
      logger: noopLogger,
    });
    open.push(discovery);
    return discovery;
  };
  const newService = () => `test-${services++}`;
  const follow = (discovery: ConsulDiscovery) => {
    const seen: { found: readonly DiscoveredProcess[] } = { found: [] };
    discovery.watch("apiserver", (found) => {
      seen.found = found;
    });
    return seen;
  };

  test("a process is found by its role, with its addresses, while it is there", async () => {
    const service = newService();
    const [one, other] = [make(service), make(service, "192.0.2.7")];
    const seen = follow(one);
    one.announce(apiserver(1), ready);
    other.announce(apiserver(2, "::"), ready);
    one.announce({ node: "px-1", role: "proxy", players: { host: "::1", port: 2555 } }, ready);
    await reached(() => seen.found.length === 2 && seen.found.every((process) => process.ready));
    assert.deepEqual(seen.found, [
      {
        ...{ node: "api-1", role: "apiserver", ready: true },
        links: { host: "127.0.0.1", port: 2551 },
        api: "http://10.0.0.9:8081",
      },
      {
        ...{ node: "api-2", role: "apiserver", ready: true },
        links: { host: "192.0.2.7", port: 2552 },
        api: "https://10.0.0.9:8082",
      },
    ]);
    const [proxy] = await other.find("proxy");
    assert.deepEqual([proxy?.node, proxy?.links, proxy?.api], ["px-1", undefined, undefined]);
    const agent = new ConsulAgent(dev);
    const tagged = await agent.services(service, "node=api-2");
    assert.equal(tagged.value.length, 1);
    assert.equal((await agent.services(service, "cluster=games")).value.length, 2);
    agent.close();
    await other.stop();
    await reached(() => seen.found.length === 1);
  });

  test("what `/ready` says shows in Consul, and the forgotten are registered again", async () => {
    const discovery = make(newService());
    const seen = follow(discovery);
    let health: Health = { ok: false, reason: "started: the server is starting" };
    discovery.announce(apiserver(1), () => health);
    await reached(() => seen.found.length === 1);
    assert.equal(seen.found[0]?.ready, false);
    health = { ok: true };
    await reached(() => seen.found[0]?.ready === true);
    const agent = new ConsulAgent(dev);
    await agent.deregister(`test-${services - 1}-api-1`);
    await reached(() => seen.found.length === 0);
    // The next report finds out.
    health = { ok: false, reason: "draining" };
    await reached(() => seen.found.length === 1);
    agent.close();
  });

  test("apiservers begin with the same ones, however many come", async () => {
    const service = newService();
    const agent = new ConsulAgent(dev);
    const options = { key: `${service}/first-apiservers`, expected: 3 };
    const found = await Promise.all(
      [1, 2, 3, 4, 5].map(async (n) => {
        const discovery = make(service);
        discovery.announce(apiserver(n), ready);
        const { signal } = new AbortController();
        const waits = { discovery, agent, clock: systemClock, logger: noopLogger, signal };
        return await findFirstApiservers(options, waits);
      }),
    );
    const names = found.map((peers) => [...peers.keys()]);
    assert.equal(names[0]?.length, 3);
    for (const other of names) assert.deepEqual(other, names[0]);
    agent.close();
  });

  test("who waits for an apiserver finds its HTTP API, the ready ones first", async () => {
    const service = newService();
    const discovery = make(service);
    const { signal } = new AbortController();
    const waits = { discovery, clock: systemClock, logger: noopLogger, signal };
    const waiting = findApiUrls(waits);
    discovery.announce(apiserver(1), () => ({ ok: false, reason: "no leader" }));
    assert.deepEqual(await waiting, ["http://10.0.0.9:8081"]);
    const seen = follow(discovery);
    discovery.announce(apiserver(2), ready);
    await reached(() => seen.found[1]?.ready === true);
    assert.deepEqual(await findApiUrls(waits), ["https://10.0.0.9:8082", "http://10.0.0.9:8081"]);
    const end = AbortSignal.abort(new Error("the process stops"));
    await assert.rejects(findApiUrls({ ...waits, signal: end }), /the process stops/);
  });

  test("while the agent is gone, what was found last stands", async () => {
    const gone = await startDevAgent();
    const agent = new ConsulAgent(gone);
    const discovery = new ConsulDiscovery(
      { service: "atlasnet", tags: [], ttlMs: 60_000 },
      { agent, clock: systemClock, logger: noopLogger },
    );
    open.push(discovery);
    await assert.doesNotReject(discovery.find("apiserver"));
    const seen = follow(discovery);
    discovery.announce(apiserver(1), ready);
    await reached(() => seen.found.length === 1);
    await discovery.find("apiserver");
    await gone.stop();
    assert.equal((await discovery.find("apiserver"))[0]?.node, "api-1");
    await assert.rejects(discovery.find("proxy"), { code: "consul-unreachable" });
    assert.equal(seen.found.length, 1);
  });
});
