import { type Clock, noopLogger, type TicketKeys } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/node";
import { createNoopMeter } from "@opentelemetry/api";
import { defaultLimits, type ProxyLimits } from "../limits.ts";
import { createProxy, type ProxyService, type ProxyUdpOptions } from "../server/proxy.ts";
import { FakeGameserver, FakePlacements, testNetwork } from "./fake-shard.ts";

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
  network: ReturnType<typeof testNetwork>;
}

/** A started proxy before one fake gameserver `g1` with the world `arena`. */
export async function startBench(
  options: {
    limits?: Partial<ProxyLimits>;
    allowGuests?: boolean;
    port?: number;
    tls?: { cert: string; key: string };
    /** False: none. */
    udp?: Partial<ProxyUdpOptions> | false;
    clock?: Clock;
    keys?: TicketKeys;
  } = {},
): Promise<Bench> {
  const network = testNetwork();
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
      endpoints: ["a:1", "b:2"],
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
  return { proxy, address, gameserver, placements, network };
}
