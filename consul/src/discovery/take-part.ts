import type { Config } from "@atlasnet/core";
import type {
  Announcement,
  DiscoverCluster,
  Discovery,
  NodeAddress,
  ServiceHost,
} from "@atlasnet/core/node";
import { systemClock } from "@atlasnet/core/system";
import { ConsulDiscovery } from "./consul-discovery.ts";
import { registerDiscoveryMetrics } from "./discovery-metrics.ts";
import { findApiUrls, findFirstApiservers } from "./find-apiservers.ts";
import { openConsulAgent, openDiscovery } from "./open-discovery.ts";
import { addressOf } from "./service.ts";

/** As many as `cluster.apiservers` takes. */
const MAX_URLS = 16;

/** Its host stops and measures it. */
async function openMeasured(config: Config, host: ServiceHost): Promise<Discovery> {
  const discovery = await openDiscovery(config, host);
  host.part("discovery", () => discovery.stop());
  if (discovery instanceof ConsulDiscovery) registerDiscoveryMetrics(host.meter, discovery);
  return discovery;
}

/** With the address of its links that `links.advertise` tells everybody, unless Consul is to be told another. */
function asAdvertised(process: Announcement, { links, discovery }: Config): Announcement {
  const address = links.advertise === undefined ? undefined : addressOf(links.advertise);
  const replaced = address !== undefined && discovery.consul.advertise === undefined;
  return replaced && process.links !== undefined ? { ...process, links: address } : process;
}

/** For gameservers and proxies. @throws the stop signal's reason, when the process is to stop before */
export const discoverCluster: DiscoverCluster = async (config, host) => {
  const discovery = await openMeasured(config, host);
  const announce = (process: Announcement) => {
    discovery.announce(asAdvertised(process, config), () => host.health.readiness());
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
  const discovery = await openMeasured(config, host);
  discovery.announce(asAdvertised(process, config), () => host.health.readiness());
  const inConsul = config.apiserver.store === "consul";
  let before: readonly string[] = [];
  discovery.watch("apiserver", (found) => {
    for (const { node, links } of found) if (links !== undefined) addresses.set(node, links);
    const now = found.map(({ node }) => node);
    // A Raft group says who its members are; otherwise whoever withdrew is one no more. All at once is no news of them.
    if (inConsul && now.length > 0)
      for (const node of before)
        if (!now.includes(node) && !named.has(node)) addresses.delete(node);
    if (now.length > 0) before = now;
  });
  // There is no group to begin: whoever follows the log in Consul takes part.
  if (named.size > 0 || inConsul) return named;
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
