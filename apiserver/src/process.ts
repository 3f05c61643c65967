import { type Config, type LoadedConfig, OperatingError } from "@atlasnet/core";
import {
  type Announcement,
  type ClusterIdentity,
  type ClusterLinks,
  ClusterProcess,
  type ClusterProcessDependencies,
  type NodeAddress,
  type OpenClusterLinks,
  type ServiceHost,
} from "@atlasnet/core/node";
import { isLoopback } from "./http/loopback.ts";
import { AddressBook } from "./members/address-book.ts";
import { parseApiservers } from "./server/peers.ts";
import { type ApiserverService, createApiserverService } from "./service.ts";

/** An apiserver of a cluster, which has this process to itself. */
export interface ApiserverProcess {
  /**
   * Takes part in its group. It does not wait for the others: `/ready` says whether there is a leader.
   * @throws an error that says what to do.
   */
  start(): Promise<void>;
  /** Hands leadership to another apiserver; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends everything. Idempotent. */
  stop(): Promise<void>;
  /** The ports that were really taken, once `start` resolved. */
  readonly addresses: {
    readonly api: NodeAddress;
    readonly links: NodeAddress;
    readonly health: NodeAddress;
  };
  /** Undefined until `start` resolved. */
  readonly identity: ClusterIdentity | undefined;
  /** As those of the service, once `start` resolved. */
  readonly service: ApiserverService | undefined;
}

export function createApiserverProcess(
  loaded: LoadedConfig,
  dependencies: ClusterProcessDependencies = {},
): ApiserverProcess {
  return new Process({ config: loaded.config, role: "apiserver" }, dependencies, (host) =>
    startRole(loaded, dependencies, host),
  );
}

interface Role {
  readonly links: ClusterLinks;
  readonly apiserver: ApiserverService;
  drain(deadlineMs: number): Promise<void>;
}

class Process extends ClusterProcess<Role> implements ApiserverProcess {
  get addresses() {
    const { apiserver, links } = this.options.config;
    return {
      api: this.running?.apiserver.api ?? { host: apiserver.host, port: apiserver.port },
      links: this.running?.links.address ?? { host: links.host, port: links.port },
      health: this.healthAddress,
    };
  }

  get service(): ApiserverService | undefined {
    return this.running?.apiserver;
  }
}

async function startRole(
  { config, origins }: LoadedConfig,
  { openLinks = quicLinks }: ClusterProcessDependencies,
  host: ServiceHost,
): Promise<Role> {
  if (!config.apiserver.http)
    throw new OperatingError("needs-api", "apiserver.http: an apiserver serves the HTTP API", {
      hint: "Remove the setting: nodes and operators find the cluster by it. Only a monolith can do without.",
    });
  const byConsul = config.discovery.type === "consul";
  const named: ReadonlyMap<string, NodeAddress> =
    byConsul && config.apiserver.peers.length === 0
      ? new Map()
      : parseApiservers(config.apiserver.peers);
  const addresses = new Map(named);
  const book = new AddressBook(addresses);
  const own = origins.get("links.port")?.kind === "default" && named.get(config.node.id);
  const links = await openLinks(
    {
      config,
      role: "apiserver",
      accepts: ["apiserver", "proxy", "gameserver"],
      // The port that the others are told, unless it is translated on the way here.
      bind: { host: config.links.host, port: own ? own.port : config.links.port },
      lookup: (node) => {
        const address = book.lookup(node);
        return address === undefined ? undefined : { ...address, role: "apiserver" };
      },
    },
    host,
  );
  const peers = byConsul ? await consulPeers(config, { host, links, named, addresses }) : named;
  const apiserver = await createApiserverService({ config, peers, book }, { host, links });
  return { links, apiserver, drain: (deadlineMs) => apiserver.drain(deadlineMs) };
}

/** Announces this apiserver in Consul, and finds the others there unless they are named. */
async function consulPeers(
  config: Config,
  {
    host,
    links,
    ...known
  }: {
    readonly host: ServiceHost;
    readonly links: ClusterLinks;
    readonly named: ReadonlyMap<string, NodeAddress>;
    readonly addresses: Map<string, NodeAddress>;
  },
): Promise<ReadonlyMap<string, NodeAddress>> {
  const { discoverApiservers } = await import("@atlasnet/consul");
  const { apiserver, node } = config;
  const at = known.named.get(node.id) ?? { host: config.links.host, port: config.links.port };
  const tls = apiserver.tls.cert !== undefined || !isLoopback(apiserver.host);
  const process: Announcement = {
    node: node.id,
    role: "apiserver",
    cluster: links.identity.cluster,
    links: at,
    api: { host: apiserver.host, port: apiserver.port, tls },
  };
  return await discoverApiservers(config, { host, process, ...known });
}

/** Loaded when it is needed, as by the other roles. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
