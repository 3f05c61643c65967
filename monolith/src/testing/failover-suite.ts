import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { SeededRandom } from "@atlasnet/core/sim";
import { type LinkKind, reached } from "@atlasnet/core/testing";
import { type Relay, startRelay } from "@atlasnet/netem";
import type { ProxyService } from "@atlasnet/proxy";
import { assertAllIsWell } from "./all-is-well.ts";
import { LedgerPlayer } from "./ledger-player.ts";
import { definition } from "./ledger-world.ts";
import { CLUSTER_PEERS, TestCluster } from "./test-cluster.ts";

const SCHEMES = ["ws", "tcp", "udp"] as const;

/** One key for all proxies of a cluster; any 32 bytes are one. */
const UDP = { privateKey: new Uint8Array(32).fill(7), handshakesPerSecond: 500 };

/** A proxy as its clients see it: behind a line that ends with it. */
class Machine {
  readonly node: string;
  readonly proxy: ProxyService;
  private readonly cluster: TestCluster;
  private readonly port: number;
  private relay: Relay;

  private constructor(node: string, cluster: TestCluster, proxy: ProxyService, relay: Relay) {
    this.node = node;
    this.cluster = cluster;
    this.proxy = proxy;
    this.relay = relay;
    this.port = relay.address.port;
    cluster.undo(() => this.relay.stop());
  }

  static async start(node: string, cluster: TestCluster, endpoints: string[]): Promise<Machine> {
    // However busy this machine is: who is asked to go elsewhere has the time.
    const limits = { goElsewhereMs: 600_000 };
    const { proxy, address } = await cluster.proxy(node, ["g1"], { endpoints, limits, udp: UDP });
    await proxy.heard();
    const relay = await startRelay({ target: targetOf(address) });
    endpoints.push(`127.0.0.1:${relay.address.port}`);
    return new Machine(node, cluster, proxy, relay);
  }

  /** As `kill -9` does: connections break, nothing listens, and what was on its way is lost, both ways. */
  async kill(): Promise<void> {
    this.cluster.network.sever(this.node, "g1");
    await this.relay.stop();
  }

  /** As a machine that lost its power: nothing answers any more. */
  vanish(): void {
    this.cluster.network.sever(this.node, "g1");
    this.relay.setConditions({ loss: 1 });
  }

  async revive(): Promise<void> {
    this.cluster.network.mend(this.node, "g1");
    const [address = ""] = this.proxy.addresses;
    this.relay = await startRelay({ listen: { port: this.port }, target: targetOf(address) });
  }

  url(scheme: string): string {
    return `${scheme}://127.0.0.1:${this.port}`;
  }
}

function targetOf(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

async function twoProxies(t: TestContext, links: LinkKind) {
  const networks = await links.create(CLUSTER_PEERS);
  const cluster = await TestCluster.start(t, { networks });
  await cluster.gameserver("g1", ["north"]);
  // Each names both, as it would by the setting proxy.endpoints.
  const endpoints: string[] = [];
  const a = await Machine.start("p1", cluster, endpoints);
  const b = await Machine.start("p2", cluster, endpoints);
  const enter = async (url: string | readonly string[]): Promise<LedgerPlayer> => {
    const client: AtlasNetClient = connect({ url });
    cluster.undo(() => client.close());
    const player = new LedgerPlayer(await client.join(definition, { world: "north" }));
    cluster.undo(() => player.stop());
    return player;
  };
  return { a, b, enter };
}

/** Tests wait for ticks and timers, not for the processor. */
const AT_ONCE = 3;

/** What players are promised when the proxy they came in by is no more, over links of any kind. */
export function failoverSuite(links: LinkKind): void {
  describe(`failover: ${links.name}`, { concurrency: AT_ONCE }, () => declare(links));
}

function declare(links: LinkKind): void {
  for (const seed of [1, 2, 3])
    test(`${links.name}: a proxy is killed and its clients go on through the other one, back and forth (seed ${seed})`, async (t) => {
      const { a, b, enter } = await twoProxies(t, links);
      const random = new SeededRandom(seed);
      const players = await Promise.all(SCHEMES.map((scheme) => enter(a.url(scheme))));
      for (const player of players) player.talk(1e6);
      let [dying, other] = [a, b];
      for (let round = 1; round <= 2; round++) {
        const before = players.map(({ said }) => said.length + random.int(1, 12));
        await reached(() => players.every(({ said }, i) => said.length >= (before[i] ?? 0)));
        await dying.kill();
        await reached(() =>
          players.every(({ drops, world }) => drops === round && world.connected),
        );
        await dying.revive();
        [dying, other] = [other, dying];
      }
      for (const player of players) player.stop();
      await assertAllIsWell(players);
      assert.deepEqual(
        players.map(({ world }) => world.transport),
        SCHEMES,
      );
      for (const { proxy } of [a, b]) {
        assert.ok(proxy.counters.attaches >= SCHEMES.length);
        assert.equal(proxy.counters.closes.get("unauthorized"), undefined);
      }
    });

  test(`${links.name}: a proxy that stops hands its clients to the other one, and they do not notice`, async (t) => {
    const { a, b, enter } = await twoProxies(t, links);
    const players = await Promise.all(SCHEMES.map((scheme) => enter(a.url(scheme))));
    const resumed: string[] = [];
    for (const { world } of players) world.onResume(() => resumed.push(world.transport));
    for (const player of players) player.talk(1e6);
    await reached(() => players.every(({ said }) => said.length >= 5));
    await a.proxy.drain(1_200_000);
    assert.ok(players.every(({ world }) => world.connected));
    const before = players.map(({ said }) => said.length);
    await reached(() => players.every(({ said }, i) => said.length > (before[i] ?? 0) + 3));
    for (const player of players) player.stop();
    await assertAllIsWell(players);
    const { movesSuggested, closes } = a.proxy.counters;
    assert.deepEqual([movesSuggested, closes.get("shutting-down")], [SCHEMES.length, undefined]);
    assert.deepEqual([players.flatMap(({ dropReasons }) => dropReasons), resumed], [[], []]);
    assert.ok(b.proxy.counters.attaches >= SCHEMES.length);
    assert.deepEqual(
      players.map(({ world }) => world.transport),
      SCHEMES,
    );
  });

  test(`${links.name}: a machine that vanishes is missed by every transport, and left`, async (t) => {
    const { a, enter } = await twoProxies(t, links);
    const players = await Promise.all(SCHEMES.map((scheme) => enter(a.url(scheme))));
    for (const player of players) player.talk(1e6);
    await reached(() => players.every(({ said }) => said.length >= 5));
    a.vanish();
    await reached(() => players.every(({ drops, world }) => drops === 1 && world.connected));
    for (const player of players) player.stop();
    await assertAllIsWell(players);
  });

  test(`${links.name}: of several addresses the first one that is there is joined`, async (t) => {
    const { a, b, enter } = await twoProxies(t, links);
    await a.kill();
    const player = await enter([a.url("tcp"), b.url("tcp")]);
    player.talk(20);
    await assertAllIsWell([player]);
    assert.equal(a.proxy.counters.attaches, 0);
  });
}
