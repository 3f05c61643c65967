import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { loadConfig, loadOrCreateKeyFile, ServiceHost, settle } from "@atlasnet/core/node";
import { FakePlane } from "../testing/fake-plane.ts";
import { FakeGameserver } from "../testing/fake-shard.ts";
import { hello, webSocketClient } from "../testing/test-clients.ts";
import { testNetwork } from "../testing/test-network.ts";
import { startInCluster } from "./start-in-cluster.ts";

/** A proxy in a cluster of the gameservers g1 and g2, whose control plane a test plays. */
async function scene(t: TestContext, down?: Error) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-proxy-"));
  const keyFile = join(dir, "tickets.jwks.json");
  await loadOrCreateKeyFile(keyFile);
  const settings = {
    "node.id": "p1",
    "data.dir": dir,
    "health.port": "0",
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "proxy.udp.enabled": "false",
    "tickets.keyFile": keyFile,
    "cluster.apiservers": "http://127.0.0.1:1",
  };
  const flags = Object.entries(settings).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const loaded = await loadConfig({ env: {}, flags, workingDir: dir });
  const fatal: Error[] = [];
  const host = await ServiceHost.start(
    { config: loaded.config, role: "proxy" },
    { logger: noopLogger, onFatal: (error) => fatal.push(error) },
  );
  const network = await testNetwork();
  const plane = new FakePlane(network.proxy);
  plane.fake.down = down;
  let lookup: ((node: string) => unknown) | undefined;
  const role = await startInCluster(
    loaded,
    {
      openLinks: () => assert.fail("the plane opens them"),
      openPlane: async (options) => {
        lookup = options.lookup;
        host.part("plane", () => plane.stop());
        return plane;
      },
    },
    host,
  );
  host.ready();
  t.after(async () => {
    await host.stop();
    await network.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const ready = async () => {
    const response = await fetch(`http://127.0.0.1:${host.health.boundPort}/ready`);
    return { status: response.status, text: await response.text() };
  };
  const gameserver = async (node: string) => {
    const fake = new FakeGameserver("arena/0");
    await fake.listen(network.node(node));
    return fake;
  };
  const [address = ""] = role.proxy.addresses;
  return {
    role,
    plane,
    host,
    fatal,
    ready,
    gameserver,
    address,
    where: (node: string) => lookup?.(node),
  };
}

test("players go where the control store says, wait between owners, and go on at the next one", async (t) => {
  const { role, plane, ready, gameserver, address, where } = await scene(t);
  const [first, second] = [await gameserver("g1"), await gameserver("g2")];
  const { fake } = plane;
  fake.node("g1");
  fake.node("g2", { address: "[fd00::2]:7" });
  fake.world("arena");
  first.epoch = fake.own("arena", "g1");
  fake.interrupt("compacted");
  await role.proxy.heard();
  assert.equal((await ready()).status, 200);
  assert.deepEqual(where("g2"), { host: "fd00::2", port: 7, role: "gameserver" });
  assert.equal(where("g3"), undefined);
  const client = await webSocketClient(address);
  t.after(() => client.end());
  client.send(hello("arena"));
  assert.equal((await client.messages.next())[0], 5);
  assert.equal((await first.attaches.next()).epoch, first.epoch);
  fake.node("g1", { state: "lost" });
  client.send([2, 1, 0, Uint8Array.of(9)]);
  second.epoch = fake.own("arena", "g2");
  const again = await second.attaches.next();
  assert.deepEqual([again.epoch, again.session], [second.epoch, 1]);
  assert.equal((await client.messages.next())[0], 5, "a welcome, and no new connection");
  assert.deepEqual((await second.entries.next()).payload, Uint8Array.of(9));
  fake.interrupt(new Error("no apiserver"));
  fake.down = new Error("no apiserver");
  assert.equal((await ready()).status, 200, "the last view stands");
  client.send([2, 2, 0, Uint8Array.of(8)]);
  assert.deepEqual((await second.entries.next()).payload, Uint8Array.of(8));
});

test("it is a member from its registration on, until it drains and stops", async (t) => {
  const { plane, role, host } = await scene(t);
  assert.deepEqual(plane.states, []);
  plane.register();
  assert.deepEqual(plane.states, ["ready"]);
  assert.equal(plane.load?.().sessions, 0);
  await role.drain(0);
  await host.stop();
  assert.deepEqual(plane.states, ["ready", "draining", "stopped"]);
  assert.equal(plane.stopped, true);
});

test("before the control store was read it is not ready, and says why; a refusal ends the process", async (t) => {
  const { plane, fatal, ready } = await scene(t, new Error("no apiserver answers"));
  const { status, text } = await ready();
  assert.equal(status, 503);
  assert.match(text, /nodes\/, worlds\/, shards\/ .* was not read yet: no apiserver answers/);
  plane.refuse(new Error("another cluster"));
  await settle();
  assert.deepEqual(
    fatal.map(({ message }) => message),
    ["another cluster"],
  );
});
