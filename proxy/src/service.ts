import { readFile } from "node:fs/promises";
import {
  type Config,
  type LinkNetwork,
  OperatingError,
  type PlacementView,
  type TicketKeys,
} from "@atlasnet/core";
import {
  loadOrCreateKeyFile,
  loadOrCreateUdpKey,
  type ServiceHost,
  type UdpKey,
} from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { defaultLimits } from "./limits.ts";
import { createProxy } from "./server/proxy.ts";
import type { ProxyOptions, ProxyService } from "./server/proxy-service.ts";

export interface ProxyServiceOptions {
  readonly config: Config;
  /** Node ids of the gameservers that a link is kept to. They say which worlds they have. */
  readonly peers: readonly string[];
  /** Default: those of the configured key files, which are made when they are not there. */
  readonly keys?: ProxyKeys | undefined;
}

/** What all proxies of a cluster share. */
export interface ProxyKeys {
  readonly tickets: TicketKeys;
  /** Undefined: no UDP. */
  readonly udp: UdpKey | undefined;
}

export interface ProxyServiceDependencies {
  /** The proxy is its part: it stops it. */
  readonly host: ServiceHost;
  /** Where gameservers are reached. The network stays its creator's. */
  readonly links: LinkNetwork;
  /** Where worlds are, with the health check of whoever keeps them; default: where the peers say. */
  readonly placements?: PlacementView;
}

/**
 * A proxy that takes players, from a configuration: its certificate, keys, limits and ports. Its host
 * stops it. @throws an error that says what to do.
 */
export async function createProxyService(
  { config, keys, peers }: ProxyServiceOptions,
  { host, links, placements }: ProxyServiceDependencies,
): Promise<ProxyService> {
  const { tickets, udp } = keys ?? (await ownKeys(config));
  const proxy = createProxy(
    { ...(await proxyOptions(config, udp)), peers },
    {
      links,
      ...(placements === undefined ? {} : { placements }),
      keys: tickets,
      clock: systemClock,
      random: systemRandom,
      logger: host.logger,
      meter: host.meter,
      tracer: host.tracer,
    },
  );
  host.part("proxy", () => proxy.stop());
  if (placements === undefined)
    host.health.add({ name: "gameservers", check: () => proxy.ready() });
  await proxy.start();
  return proxy;
}

/** Where players connect: TCP at `port`, and UDP where `udpPort` names its port. */
export interface PlayersAddress {
  readonly host: string;
  readonly port: number;
  readonly udpPort: number | undefined;
}

/** The configured host with the ports that were really taken. */
export function playersAddress(
  { proxy }: Config,
  service: ProxyService | undefined,
): PlayersAddress {
  const bound = service?.addresses[0];
  return {
    host: proxy.host,
    port: bound === undefined ? proxy.port : Number(bound.slice(bound.lastIndexOf(":") + 1)),
    udpPort: service?.udpEndpoint?.port,
  };
}

async function ownKeys({ tickets, proxy }: Config): Promise<ProxyKeys> {
  return {
    tickets: (await loadOrCreateKeyFile(tickets.keyFile)).keys,
    udp: proxy.udp.enabled ? (await loadOrCreateUdpKey(proxy.udp.keyFile)).key : undefined,
  };
}

async function proxyOptions(
  { proxy, node, telemetry }: Config,
  key: UdpKey | undefined,
): Promise<ProxyOptions> {
  const { messageBurst, byteBurst, ...limits } = proxy.limits;
  const { port, handshakesPerSecond } = proxy.udp;
  const tls = await readCertificate(proxy.tls);
  return {
    node: node.id,
    host: proxy.host,
    port: proxy.port,
    allowGuests: proxy.allowGuests,
    endpoints: proxy.endpoints,
    // Without a collector spans would be made for nobody.
    sampleOneIn: telemetry.otlpEndpoint === undefined ? 0 : telemetry.sampleOneIn,
    limits: { ...defaultLimits, ...limits, messagesBurst: messageBurst, bytesBurst: byteBurst },
    ...(tls === undefined ? {} : { tls }),
    ...(key === undefined
      ? {}
      : { udp: { privateKey: key.privateKey, port, handshakesPerSecond } }),
  };
}

async function readCertificate({ cert, key }: Config["proxy"]["tls"]) {
  if (cert === undefined || key === undefined) return undefined;
  return {
    cert: await readPem("proxy.tls.cert", cert),
    key: await readPem("proxy.tls.key", key),
  };
}

async function readPem(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new OperatingError("unreadable-file", `${setting}: ${file} cannot be read`, {
      cause,
      hint: "Check the path and that this user may read it.",
    });
  }
}
