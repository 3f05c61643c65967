import type { LoadedConfig } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  ClusterProcess,
  type ClusterProcessDependencies,
  type NodeAddress,
  type OpenClusterLinks,
  type ServiceHost,
} from "@atlasnet/core/node";
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
  const peers = parseApiservers(config.apiserver.peers);
  const book = new AddressBook(peers);
  const own = origins.get("links.port")?.kind === "default" && peers.get(config.node.id);
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
  const apiserver = await createApiserverService({ config, peers, book }, { host, links });
  return { links, apiserver, drain: (deadlineMs) => apiserver.drain(deadlineMs) };
}

/** Loaded when it is needed, as by the other roles. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
