import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutCluster, neededPorts } from "./layout.ts";

const OPTIONS = { proxies: 2, gameservers: 2, basePort: 2555, worlds: ["arena", "sandbox"] };

test("two and two, with the worlds spread in turn", () => {
  assert.deepEqual(layoutCluster(OPTIONS), [
    { node: "proxy-1", role: "proxy", ports: { players: 2555, health: 2557 }, worlds: [] },
    { node: "proxy-2", role: "proxy", ports: { players: 2565, health: 2567 }, worlds: [] },
    { node: "gs-1", role: "gameserver", ports: { links: 2556, health: 2559 }, worlds: ["arena"] },
    { node: "gs-2", role: "gameserver", ports: { links: 2566, health: 2569 }, worlds: ["sandbox"] },
  ]);
});

test("more worlds than gameservers go round, more gameservers than worlds stay empty", () => {
  const worldsOf = (gameservers: number, worlds: string[]) =>
    layoutCluster({ ...OPTIONS, gameservers, worlds })
      .filter(({ role }) => role === "gameserver")
      .map((plan) => plan.worlds);
  assert.deepEqual(worldsOf(2, ["a", "b", "c"]), [["a", "c"], ["b"]]);
  assert.deepEqual(worldsOf(3, ["a", "b"]), [["a"], ["b"], []]);
});

test("no two ports of a layout are the same, however many processes", () => {
  const plans = layoutCluster({ ...OPTIONS, proxies: 16, gameservers: 16 });
  const hosts = { players: "0.0.0.0", links: "127.0.0.1", health: "127.0.0.1" };
  const ports = neededPorts(plans, { hosts, udp: false }).map(({ port }) => port);
  assert.equal(ports.length, 64);
  assert.equal(new Set(ports).size, ports.length);
});

test("players' ports are needed for UDP, too, unless it is off", () => {
  const plans = layoutCluster({ ...OPTIONS, proxies: 1, gameservers: 1 });
  const hosts = { players: "0.0.0.0", links: "127.0.0.1", health: "127.0.0.1" };
  const texts = (udp: boolean) =>
    neededPorts(plans, { hosts, udp }).map((p) => `${p.what} ${p.protocol} ${p.host}:${p.port}`);
  assert.deepEqual(texts(true), [
    "proxy-1, players tcp 0.0.0.0:2555",
    "proxy-1, players udp 0.0.0.0:2555",
    "proxy-1, health tcp 127.0.0.1:2557",
    "gs-1, links udp 127.0.0.1:2556",
    "gs-1, health tcp 127.0.0.1:2559",
  ]);
  assert.equal(texts(false).length, 4);
});

test("ports that systems hand out to clients are refused", () => {
  assert.equal(layoutCluster({ ...OPTIONS, basePort: 32_753 }).length, 4);
  for (const basePort of [0, 32_754])
    assert.throws(() => layoutCluster({ ...OPTIONS, basePort }), /--port: .* allowed: 1 to 32753/);
});

test("with apiservers, those have ports of their own, and nobody is given worlds", () => {
  const plans = layoutCluster({ ...OPTIONS, apiservers: 3 });
  assert.deepEqual(
    plans.filter(({ role }) => role === "apiserver").map(({ node, ports }) => [node, ports]),
    [
      ["api-1", { api: 2560, links: 2561, health: 2562 }],
      ["api-2", { api: 2570, links: 2571, health: 2572 }],
      ["api-3", { api: 2580, links: 2581, health: 2582 }],
    ],
  );
  assert.ok(plans.every(({ worlds }) => worlds.length === 0));
  const most = layoutCluster({ ...OPTIONS, proxies: 16, gameservers: 16, apiservers: 16 });
  const hosts = { players: "0.0.0.0", links: "127.0.0.1", health: "127.0.0.1" };
  const ports = neededPorts(most, { hosts, udp: false }).map(({ port }) => port);
  assert.equal(new Set(ports).size, 16 * 7);
  assert.throws(
    () => layoutCluster({ ...OPTIONS, apiservers: 3, basePort: 32_753 }),
    /--port: .* allowed: 1 to 32740,/,
  );
});
