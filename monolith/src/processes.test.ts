import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "@atlasnet/client";
import { type Config, noopLogger } from "@atlasnet/core";
import type { NodeAddress } from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";
import { createGameserverProcess, type GameserverProcess } from "@atlasnet/gameserver";
import { createCa } from "@atlasnet/identity";
import { createProxyProcess, type ProxyProcess } from "@atlasnet/proxy";
import { LedgerPlayer } from "./testing/ledger-player.ts";
import { definition } from "./testing/ledger-world.ts";
import { type Settings, Workplace } from "./testing/workplace.ts";

/** Gameservers and proxies as their processes have them, over QUIC, with a CA in a folder. */

const LEDGER = fileURLToPath(new URL("./testing/ledger-world.js", import.meta.url));

/** A machine with a CA on it; all nodes keep what they have below its folder. */
class Machine {
  readonly dir: string;
  private readonly place: Workplace;

  private constructor(place: Workplace) {
    this.place = place;
    this.dir = place.dir;
  }

  static async start(t: TestContext): Promise<Machine> {
    const place = await Workplace.create(t);
    await createCa(join(place.dir, "ca"), { cluster: "test" });
    return new Machine(place);
  }

  load(node: string, settings: Settings = {}) {
    const ca = join(this.dir, "ca");
    return this.place.load(node, { worlds: `ledger=${LEDGER}`, "identity.ca": ca, ...settings });
  }

  async gameserver(node: string, settings: Settings = {}): Promise<GameserverProcess> {
    const { config } = await this.load(node, settings);
    return this.gameserverOf(config);
  }

  async gameserverOf(config: Config): Promise<GameserverProcess> {
    const gameserver = createGameserverProcess({ config }, { logger: noopLogger });
    this.place.undo(() => gameserver.stop());
    await gameserver.start();
    return gameserver;
  }

  async proxy(node: string, settings: Settings): Promise<ProxyProcess> {
    const proxy = createProxyProcess(await this.load(node, settings), { logger: noopLogger });
    this.place.undo(() => proxy.stop());
    await proxy.start();
    return proxy;
  }

  async player({ addresses }: ProxyProcess, transport: "ws" | "udp"): Promise<LedgerPlayer> {
    const client = connect({ url: `${transport}://127.0.0.1:${addresses.players.port}` });
    this.place.undo(() => client.close());
    const player = new LedgerPlayer(await client.join(definition, { world: "ledger" }));
    this.place.undo(() => player.stop());
    return player;
  }
}

function peer(node: string, { links }: { links: NodeAddress }): Settings {
  return { "links.peers": `${node}=${links.host}:${links.port}` };
}

async function ready({ addresses }: { addresses: { health: NodeAddress } }) {
  const { host, port } = addresses.health;
  const response = await fetch(`http://${host}:${port}/ready`);
  return { status: response.status, text: await response.text() };
}

/** The links are measured, and every metric is in the table for operators. */
async function assertMetrics({ addresses }: { addresses: { health: NodeAddress } }, peer: string) {
  const { host, port } = addresses.health;
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  for (const sample of [
    'atlasnet_link_open{adapter="quic"} 1$',
    `atlasnet_link_rtt_seconds{peer="${peer}"} \\d`,
    `atlasnet_link_packet_bytes{peer="${peer}"} [1-9]\\d+$`,
    `atlasnet_link_lost_packets_total{peer="${peer}"} \\d+$`,
    'atlasnet_quic_handshakes_total{result="done"} 1$',
    "atlasnet_identity_expiry_timestamp_seconds [1-9]",
  ])
    assert.match(metrics, new RegExp(`^${sample}`, "m"));
  const documented = await readFile(new URL("../../docs/operations.md", import.meta.url), "utf8");
  for (const [, name] of metrics.matchAll(/^# TYPE (atlasnet_\w+)/gm))
    assert.ok(documented.includes(`\`${name}\``), `docs/operations.md does not list ${name}`);
}

test("players come in through a proxy, play on a gameserver and leave; both stop in order", async (t) => {
  const machine = await Machine.start(t);
  const gameserver = await machine.gameserver("gs-1");
  const proxy = await machine.proxy("edge-1", peer("gs-1", gameserver.addresses));
  assert.equal((await ready(gameserver)).status, 200);
  await proxy.heard();
  assert.equal((await ready(proxy)).status, 200);
  const identities = [gameserver.identity, proxy.identity];
  assert.deepEqual(
    identities.map((it) => `${it?.role} ${it?.node} of ${it?.cluster}`),
    ["gameserver gs-1 of test", "proxy edge-1 of test"],
  );

  const players = await Promise.all([machine.player(proxy, "ws"), machine.player(proxy, "udp")]);
  for (const player of players) player.talk(20);
  await reached(() => players.every(({ answered }) => answered));
  await assertMetrics(gameserver, "edge-1");
  await assertMetrics(proxy, "gs-1");
  await Promise.all(players.map((player) => player.settle()));
  players[0]?.world.send("freeze", {});
  await reached(() => players.every(({ frozen }) => frozen));
  await Promise.all(players.map((player) => player.assertMirror()));
  for (const player of players) player.assertBooks();
  for (const { world } of players) await world.leave();

  await proxy.drain(1_000);
  assert.match((await ready(proxy)).text, /the process is stopping/);
  await proxy.stop();
  await gameserver.drain(1_000);
  await gameserver.stop();
  const kept = await readdir(join(machine.dir, "gs-1"), { recursive: true });
  assert.ok(
    kept.some((file) => file.endsWith(".snapshot")),
    kept.join(", "),
  );
});

test("a proxy may start first: players wait for the gameserver, /ready names it", async (t) => {
  const machine = await Machine.start(t);
  const before = await machine.gameserver("gs-1");
  const place = peer("gs-1", before.addresses);
  await before.stop();
  const proxy = await machine.proxy("edge-1", place);
  assert.match(
    (await ready(proxy)).text,
    /"gameservers","ok":false,"reason":"no word yet from gs-1/,
  );
  const joining = machine.player(proxy, "ws");
  await machine.gameserver("gs-1", { "links.port": String(before.addresses.links.port) });
  const player = await joining;
  player.talk(3);
  await reached(() => player.answered);
  assert.equal((await ready(proxy)).status, 200);
});

test("processes of one machine share a data folder, of which a proxy keeps nothing but its identity", async (t) => {
  const machine = await Machine.start(t);
  const data = { "data.dir": join(machine.dir, "shared") };
  const gameserver = await machine.gameserver("gs-1", data);
  const place = peer("gs-1", gameserver.addresses);
  const proxies = [
    await machine.proxy("edge-1", { ...place, ...data }),
    await machine.proxy("edge-2", { ...place, ...data }),
  ];
  for (const proxy of proxies) await proxy.heard();
  const files = await readdir(join(machine.dir, "shared"));
  assert.deepEqual(files.sort(), ["identity", "lock", "worlds"]);
  // Proxies of a cluster have one set of keys: a player may go from one to another.
  const keys = await readdir(join(machine.dir, "shared", "identity"));
  assert.ok(keys.includes("tickets.jwks.json") && keys.includes("udp.jwk.json"), keys.join());
});

test("what is in the way of a start is said by the setting's name", async (t) => {
  const machine = await Machine.start(t);
  const gameserver = await machine.gameserver("gs-1");
  const links = gameserver.addresses.links;
  const place = peer("gs-1", gameserver.addresses);
  const { config } = await machine.load("gs-2");
  const refusals: [start: () => Promise<unknown>, code: string, message: RegExp][] = [
    [() => machine.proxy("edge-1", {}), "no-peers", /^links\.peers: /],
    [() => machine.gameserverOf({ ...config, worlds: [] }), "no-worlds", /^worlds: /],
    [
      () => machine.gameserver("gs-2", { "links.port": String(links.port) }),
      "port-in-use",
      /^links\.port: 127\.0\.0\.1:\d+\/udp is in use/,
    ],
    [
      () => machine.proxy("gs-1", { ...place, "data.dir": join(machine.dir, "gs-1") }),
      "wrong-role",
      /gs-1/,
    ],
    [
      () => machine.proxy("edge-2", { ...place, "tickets.keyFile": join(machine.dir, "none") }),
      "no-key-file",
      /^tickets\.keyFile: .*none is not there$/,
    ],
    [
      () => machine.proxy("edge-3", { ...place, "proxy.port": String(links.port) }),
      "port-in-use",
      /^proxy\.port: 127\.0\.0\.1:\d+\/udp is in use/,
    ],
  ];
  for (const [start, code, message] of refusals) await assert.rejects(start(), { code, message });
});

test("nodes of different clusters refuse each other, and the proxy says why", {
  timeout: 20_000,
}, async (t) => {
  const machine = await Machine.start(t);
  const other = await Machine.start(t);
  const gameserver = await machine.gameserver("gs-1");
  const proxy = await other.proxy("edge-1", peer("gs-1", gameserver.addresses));
  let said = "";
  while (!said.includes("gs-1 (")) said = (await ready(proxy)).text;
  assert.match(said, /no word yet from gs-1 \(.*certificate/);
});
