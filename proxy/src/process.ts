import type { LoadedConfig } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  ClusterProcess,
  type ClusterProcessDependencies,
  type NodeAddress,
  type OpenClusterLinks,
  processDiscovery,
  type ServiceHost,
} from "@atlasnet/core/node";
import { clusterKeys } from "./cluster-keys.ts";
import { startInCluster } from "./control/start-in-cluster.ts";
import { parseGameservers } from "./peers.ts";
import type { ProxyService } from "./server/proxy-service.ts";
import { createProxyService, type PlayersAddress, playersAddress } from "./service.ts";

/** A proxy of a cluster, which has this process to itself. */
export interface ProxyProcess {
  /**
   * Lets players in. It does not wait for the gameservers, or the control plane: `/ready` says whether it is known
   * where worlds are, and players wait meanwhile. @throws an error that says what to do.
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
  /** Resolves when it is known where worlds are, or the proxy stopped. Only once `start` resolved. */
  heard(): Promise<void>;
}

export function createProxyProcess(
  loaded: LoadedConfig,
  dependencies: ClusterProcessDependencies = {},
): ProxyProcess {
  const { openLinks = quicLinks } = dependencies;
  return new Process({ config: loaded.config, role: "proxy" }, dependencies, (host) =>
    startRole(loaded, openLinks, host),
  );
}

async function startRole(
  given: LoadedConfig,
  openLinks: OpenClusterLinks,
  host: ServiceHost,
): Promise<Role> {
  const load = () => import("@atlasnet/consul");
  const { config, announce } = await processDiscovery(given.config, host, load);
  const loaded = { ...given, config };
  if (config.cluster.apiservers.length === 0) return await startWithPeers(loaded, openLinks, host);
  const role = await startInCluster(loaded, { openLinks }, host);
  const { host: address, port } = playersAddress(config, role.proxy);
  announce({
    ...{ node: config.node.id, role: "proxy", cluster: role.links.identity.cluster },
    players: { host: address, port },
  });
  return role;
}

interface Role {
  readonly links: ClusterLinks;
  readonly proxy: ProxyService;
  drain(deadlineMs: number): Promise<void>;
}

class Process extends ClusterProcess<Role> implements ProxyProcess {
  get addresses() {
    return {
      players: playersAddress(this.options.config, this.running?.proxy),
      health: this.healthAddress,
    };
  }

  async heard(): Promise<void> {
    await this.running?.proxy.heard();
  }
}

/** Without a control plane: gameservers that are named say themselves what they host. */
async function startWithPeers(
  loaded: LoadedConfig,
  openLinks: OpenClusterLinks,
  host: ServiceHost,
): Promise<Role> {
  const { config } = loaded;
  const peers = parseGameservers(config.links.peers);
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
