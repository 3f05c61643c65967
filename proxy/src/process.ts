import type { LoadedConfig, Logger } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  type NodeAddress,
  type OpenClusterLinks,
  type ServiceHost,
  ServiceProcess,
} from "@atlasnet/core/node";
import { clusterKeys } from "./cluster-keys.ts";
import { parsePeers } from "./peers.ts";
import type { ProxyService } from "./server/proxy.ts";
import { createProxyService, type PlayersAddress, playersAddress } from "./service.ts";

export interface ProxyProcessDependencies {
  /** Default: pino on standard error, as configured. */
  readonly logger?: Logger;
  /** The process must not go on; whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Default: QUIC, with the identity that the configuration names. */
  readonly openLinks?: OpenClusterLinks;
}

/** A proxy of a cluster, which has this process to itself. */
export interface ProxyProcess {
  /**
   * Lets players in. It does not wait for the gameservers: `/ready` says whether they were heard, and players
   * wait meanwhile. @throws an error that says what to do.
   */
  start(): Promise<void>;
  /** Lets nobody in any more, and tells the players, who go to other proxies; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends everything. Idempotent. */
  stop(): Promise<void>;
  /** The ports that were really taken, once `start` resolved. */
  readonly addresses: { readonly players: PlayersAddress; readonly health: NodeAddress };
  /** Undefined until `start` resolved. */
  readonly identity: ClusterIdentity | undefined;
  /** Resolves when every gameserver was heard once, or the proxy stopped. Only once `start` resolved. */
  heard(): Promise<void>;
}

export function createProxyProcess(
  loaded: LoadedConfig,
  dependencies: ProxyProcessDependencies = {},
): ProxyProcess {
  const { config } = loaded;
  const process = new ServiceProcess({ config, role: "proxy" }, dependencies, (host) =>
    startRole(loaded, dependencies, host),
  );
  return {
    start: () => process.start(),
    drain: (deadlineMs) => process.drain(deadlineMs),
    stop: () => process.stop(),
    get addresses() {
      return {
        players: playersAddress(config, process.service?.proxy),
        health: process.healthAddress,
      };
    },
    get identity() {
      return process.service?.links.identity;
    },
    heard: async () => process.service?.proxy.heard(),
  };
}

interface Role {
  readonly links: ClusterLinks;
  readonly proxy: ProxyService;
  drain(deadlineMs: number): Promise<void>;
}

async function startRole(
  loaded: LoadedConfig,
  { openLinks = quicLinks }: ProxyProcessDependencies,
  host: ServiceHost,
): Promise<Role> {
  const { config } = loaded;
  const peers = parsePeers(config.links.peers);
  const links = await openLinks(
    {
      config,
      role: "proxy",
      accepts: ["gameserver"],
      bind: { host: config.links.host, port: 0 },
      lookup: (node) => {
        const address = peers.get(node);
        return address === undefined ? undefined : { ...address, role: "gameserver" };
      },
    },
    host,
  );
  // After the identity: the CA hands both over together.
  const keys = await clusterKeys(loaded);
  const proxy = await createProxyService(
    { config, keys, peers: [...peers.keys()] },
    { host, links: links.network },
  );
  return { links, proxy, drain: (deadlineMs) => proxy.drain(deadlineMs) };
}

/** Loaded when it is needed: a monolith does without. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
