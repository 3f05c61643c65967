import type { Config } from "@atlasnet/core";
import {
  type Announcement,
  type DiscoverCluster,
  type NodeAddress,
  type ServiceHost,
  systemClock,
} from "@atlasnet/core/node";
import { findApiUrls, findFirstApiservers } from "./find-apiservers.ts";
import { openConsulAgent, openDiscovery } from "./open-discovery.ts";

/** As many as `cluster.apiservers` takes. */
const MAX_URLS = 16;

/** For gameservers and proxies. @throws the stop signal's reason, when the process is to stop before */
export const discoverCluster: DiscoverCluster = async (config, host) => {
  const discovery = await openDiscovery(config, host);
  host.part("discovery", () => discovery.stop());
  const announce = (process: Announcement) => {
    discovery.announce(process, () => host.health.readiness());
  };
  if (config.cluster.apiservers.length > 0) return { config, announce };
  const { logger, stopSignal: signal } = host;
  const urls = await findApiUrls({ discovery, clock: systemClock, logger, signal });
  logger.info("Found apiservers in Consul.", { urls });
  return {
    config: { ...config, cluster: { ...config.cluster, apiservers: urls.slice(0, MAX_URLS) } },
    announce,
  };
};

/**
 * For apiservers: announces this one, and finds those that the group begins with, unless they are named.
 * `addresses` gets where apiservers are, from then on.
 * @throws the stop signal's reason, when the process is to stop before
 */
export async function discoverApiservers(
  config: Config,
  {
    host,
    process,
    named,
    addresses,
  }: {
    readonly host: ServiceHost;
    readonly process: Announcement;
    /** Of `apiserver.peers`; empty: find them. */
    readonly named: ReadonlyMap<string, NodeAddress>;
    readonly addresses: Map<string, NodeAddress>;
  },
): Promise<ReadonlyMap<string, NodeAddress>> {
  const { logger, stopSignal: signal } = host;
  const discovery = await openDiscovery(config, host);
  host.part("discovery", () => discovery.stop());
  discovery.announce(process, () => host.health.readiness());
  discovery.watch("apiserver", (found) => {
    for (const { node, links } of found) if (links !== undefined) addresses.set(node, links);
  });
  if (named.size > 0) return named;
  const { service, apiservers } = config.discovery.consul;
  const agent = await openConsulAgent(config);
  try {
    const first = await findFirstApiservers(
      { key: `${service}/first-apiservers`, expected: apiservers },
      { discovery, agent, clock: systemClock, logger, signal },
    );
    for (const [node, address] of first) if (!addresses.has(node)) addresses.set(node, address);
    return first;
  } finally {
    agent.close();
  }
}
