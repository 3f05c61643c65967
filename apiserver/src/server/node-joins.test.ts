import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { decodeRecord, nodeKey, noopLogger } from "@atlasnet/core";
import {
  loadConfig,
  type OpenClusterLinks,
  openControlPlane,
  ServiceHost,
} from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";
import { openCa } from "@atlasnet/identity";
import { openClusterLinks } from "@atlasnet/quic";
import { ApiserverGroup } from "./testing/apiserver-group.ts";

const NAMES = ["api-1", "api-2", "api-3"];
/** Nobody who waits for such a lease is done within a test. */
const LONG_LEASE_MS = 60_000;
const NO_LOAD = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

/** Three apiservers with a CA, and gameservers that know of them by their HTTP APIs only. */
async function scene(t: TestContext) {
  const group = await ApiserverGroup.create(t);
  for (const name of NAMES) await group.start(name, NAMES);
  await group.leader();
  const urls = NAMES.map((name) => {
    const { host, port } = group.running.get(name)?.addresses.api ?? { host: "none", port: 0 };
    return `http://${host}:${port}`;
  });
  /** QUIC, but for the addresses: those of the group's settings are none that can be listened at. */
  const openLinks: OpenClusterLinks = (options, host) =>
    openClusterLinks(
      {
        ...options,
        lookup: (node) => {
          const address = group.running.get(node)?.addresses.links;
          return options.lookup(node) && address && { ...address, role: "apiserver" };
        },
      },
      host,
    );
  const member = async (given: { readonly [path: string]: string }) => {
    const settings = {
      "node.id": "gs-1",
      "data.dir": join(group.dir, "gs-1"),
      "health.port": "0",
      "links.host": "127.0.0.1",
      "links.port": "0",
      "cluster.apiservers": urls.join(","),
      ...given,
    };
    const flags = Object.entries(settings).map(([path, text]) => ({
      name: `--${path}`,
      path,
      text,
    }));
    const { config } = await loadConfig({ env: {}, flags, workingDir: group.dir });
    const stopping = new AbortController();
    const host = await ServiceHost.start(
      { config, role: "gameserver" },
      { logger: noopLogger, stopSignal: stopping.signal },
    );
    t.after(() => host.stop());
    const plane = await openControlPlane(
      {
        config,
        role: "gameserver",
        modules: ["*"],
        accepts: ["proxy"],
        bind: { host: "127.0.0.1", port: 0 },
        lookup: () => undefined,
        ownsDataDir: true,
      },
      { host, openLinks },
    );
    await plane.links.network.listen(() => undefined);
    const told: string[] = [];
    const events = {
      registered: () => void told.push("registered"),
      sealed: (reason: string) => void told.push(`sealed ${reason}`),
      unsealed: () => void told.push("unsealed"),
      lost: async () => void told.push("lost"),
    };
    const ready = async () => {
      const answer = await fetch(`http://127.0.0.1:${host.health.boundPort}/ready`);
      return answer.text();
    };
    return { host, plane, told, ready, stopping, start: () => plane.start(events, () => NO_LOAD) };
  };
  const record = async () => {
    const [, second] = NAMES;
    const store = group.running.get(second ?? "")?.service?.store;
    const { items } = (await store?.range({ key: nodeKey("gs-1") })) ?? { items: [] };
    const decoded = items[0] && decodeRecord("node", items[0].value);
    return decoded?.ok === true ? decoded.record : undefined;
  };
  const ca = await openCa(join(group.dir, "ca"));
  const token = () => ca.token({ role: "gameserver", ttlSeconds: 600 });
  return { group, member, record, token };
}

test("a node joins with a token while the first apiserver is dead, registers, and comes again after a crash", {
  timeout: 60_000,
}, async (t) => {
  const { group, member, record, token } = await scene(t);
  await group.kill("api-1");
  await group.leader();
  const lease = { "node.leaseMs": String(LONG_LEASE_MS), "node.labels": "zone=eu" };
  const first = await member({ ...lease, "identity.join": await token() });
  assert.match(
    await first.ready(),
    /"control plane","ok":false,"reason":"no apiserver was asked yet/,
  );
  await first.start();
  await first.plane.setState("ready");
  assert.equal(first.plane.mayAct(), true);
  const { boot, address, labels, state, fingerprint } = (await record()) ?? {};
  assert.equal(boot, first.plane.registration?.boot);
  assert.equal(address, `127.0.0.1:${first.plane.links.address?.port}`);
  assert.deepEqual(labels, { zone: "eu" });
  assert.equal(state, "ready");
  assert.equal(fingerprint, first.plane.links.certificate.fingerprint);
  await reached(() => first.told.includes("unsealed"));
  assert.deepEqual(first.told, ["registered", "unsealed"]);
  assert.match(await first.ready(), /"control plane","ok":true/);
  // Without a word to anybody, as after a crash: its lease holds for minutes.
  await first.host.stop();
  const second = await member(lease);
  await second.start();
  assert.notEqual(second.plane.registration?.boot, boot);
  await second.plane.setState("stopped");
  assert.equal((await record())?.state, "stopped");
  assert.equal(second.plane.mayAct(), false);
});

test("a node that finds nobody waits and says why; it stops when it is asked to", {
  timeout: 60_000,
}, async (t) => {
  const { group, member, token } = await scene(t);
  const joined = await member({ "identity.join": await token() });
  await joined.host.stop();
  for (const name of NAMES) await group.kill(name);
  const { start, ready, stopping, plane } = await member({});
  const starting = start();
  const refused = assert.rejects(starting, { code: "stopped" });
  let told = "";
  while (!told.includes("no apiserver answers (http://127.0.0.1:")) told = await ready();
  assert.match(told, /ECONNREFUSED/);
  stopping.abort();
  await refused;
  assert.equal(plane.mayAct(), false);
});
