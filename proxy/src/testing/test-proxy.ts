import type { TestContext } from "node:test";
import { type Clock, noopLogger, type TicketKeys } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { LinkKind } from "@atlasnet/core/testing";
import { createNoopMeter } from "@opentelemetry/api";
import { defaultLimits, type ProxyLimits } from "../limits.ts";
import { createProxy } from "../server/proxy.ts";
import type { ProxyService, ProxyUdpOptions } from "../server/proxy-service.ts";
import { FakeGameserver, FakePlacements } from "./fake-shard.ts";
import { type TestNetwork, testNetwork } from "./test-network.ts";

/** Tickets in clear text: `ticket:account:world`. */
export const plainKeys: TicketKeys = {
  issue: async (claims) => `ticket:${claims.account}:${claims.world}`,
  verify: async (ticket) => {
    const [kind, account, world] = ticket.split(":");
    if (kind !== "ticket" || account === undefined || world === undefined)
      return { ok: false, code: "unauthorized", reason: "not a ticket" };
    return { ok: true, claims: { account, world, name: account, data: null, expiresAt: 0 } };
  },
  signResume: async (claims) => `resume:${JSON.stringify(claims)}`,
  verifyResume: async (token) =>
    token.startsWith("resume:")
      ? { ok: true, claims: JSON.parse(token.slice("resume:".length)) }
      : { ok: false, code: "unauthorized", reason: "not a resume token" },
};

/** Private, of all test proxies: one that is started again has the same. */
export const testUdpKey = new Uint8Array(32).fill(7);

export interface Bench {
  proxy: ProxyService;
  address: string;
  gameserver: FakeGameserver;
  placements: FakePlacements;
  network: TestNetwork;
  /** Ends the proxy and all links. */
  stop(): Promise<void>;
}

export interface BenchOptions {
  limits?: Partial<ProxyLimits>;
  /** Default: those of two proxies. */
  endpoints?: readonly string[];
  allowGuests?: boolean;
  port?: number;
  tls?: { cert: string; key: string };
  /** False: none. */
  udp?: Partial<ProxyUdpOptions> | false;
  clock?: Clock;
  keys?: TicketKeys;
  /** Between the proxy and the gameserver. Default: in this process. */
  links?: LinkKind;
}

/** One that ends with its test. */
export async function bench(t: TestContext, options?: BenchOptions): Promise<Bench> {
  const started = await startBench(options);
  t.after(() => started.stop());
  return started;
}

/** A started proxy before one fake gameserver `g1` with the world `arena`. */
export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const network = await testNetwork(options.links);
  const gameserver = new FakeGameserver("arena.0");
  await gameserver.listen(network.node("g1"));
  const placements = new FakePlacements();
  placements.set({ world: "arena", shard: "arena.0", node: "g1", epoch: 1 });
  const proxy = createProxy(
    {
      node: "p1",
      host: "127.0.0.1",
      port: options.port ?? 0,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      allowGuests: options.allowGuests ?? true,
      endpoints: options.endpoints ?? ["a:1", "b:2"],
      ...(options.udp === false
        ? {}
        : { udp: { privateKey: testUdpKey, handshakesPerSecond: 500, ...options.udp } }),
      limits: { ...defaultLimits, ...options.limits },
    },
    {
      links: network.proxy,
      placements,
      keys: options.keys ?? plainKeys,
      clock: options.clock ?? systemClock,
      random: systemRandom,
      logger: noopLogger,
      meter: createNoopMeter(),
    },
  );
  await proxy.start();
  const [address = ""] = proxy.addresses;
  const stop = async () => {
    await proxy.stop();
    await network.stop();
  };
  return { proxy, address, gameserver, placements, network, stop };
}
