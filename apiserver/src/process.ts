import type { LoadedConfig, Logger } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  type NodeAddress,
  type OpenClusterLinks,
  type ServiceHost,
  ServiceProcess,
} from "@atlasnet/core/node";
import { parsePeers } from "./server/peers.ts";
import { type ApiserverService, createApiserverService } from "./service.ts";

export interface ApiserverProcessDependencies {
  /** Default: pino on standard error, as configured. */
  readonly logger?: Logger;
  /** The process must not go on (its disk failed, its log is not the group's); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Default: QUIC, with the identity that the configuration names. */
  readonly openLinks?: OpenClusterLinks;
}

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
  dependencies: ApiserverProcessDependencies = {},
): ApiserverProcess {
  const { config } = loaded;
  const process = new ServiceProcess({ config, role: "apiserver" }, dependencies, (host) =>
    startRole(loaded, dependencies, host),
  );
  return {
    start: () => process.start(),
    drain: (deadlineMs) => process.drain(deadlineMs),
    stop: () => process.stop(),
    get addresses() {
      const { apiserver, links } = config;
      return {
        api: process.service?.apiserver.api ?? { host: apiserver.host, port: apiserver.port },
        links: process.service?.links.address ?? { host: links.host, port: links.port },
        health: process.healthAddress,
      };
    },
    get identity() {
      return process.service?.links.identity;
    },
    get service() {
      return process.service?.apiserver;
    },
  };
}

interface Role {
  readonly links: ClusterLinks;
  readonly apiserver: ApiserverService;
  drain(deadlineMs: number): Promise<void>;
}

async function startRole(
  { config, origins }: LoadedConfig,
  { openLinks = quicLinks }: ApiserverProcessDependencies,
  host: ServiceHost,
): Promise<Role> {
  const peers = parsePeers(config.apiserver.peers);
  const own = origins.get("links.port")?.kind === "default" && peers.get(config.node.id);
  const links = await openLinks(
    {
      config,
      role: "apiserver",
      accepts: ["apiserver"],
      // The port that the others are told, unless it is translated on the way here.
      bind: { host: config.links.host, port: own ? own.port : config.links.port },
      lookup: (node) => {
        const address = peers.get(node);
        return address === undefined ? undefined : { ...address, role: "apiserver" };
      },
    },
    host,
  );
  const apiserver = await createApiserverService({ config, peers }, { host, links });
  return { links, apiserver, drain: (deadlineMs) => apiserver.drain(deadlineMs) };
}

/** Loaded when it is needed, as by the other roles. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
