import type { Config } from "../../config/build-config.ts";
import type { ServiceHost } from "../service-host.ts";
import type { Announcement } from "./discovery.ts";

/** How a process of a cluster finds its apiservers, and is found. */
export interface ProcessDiscovery {
  /** With the apiservers that were found as `cluster.apiservers`, unless it names some. */
  readonly config: Config;
  /** Tells others of this process, as ready as `/ready` says, until the host stops. */
  announce(process: Announcement): void;
}

/** Waits until an apiserver is found. `discoverCluster` of `@atlasnet/consul` is the one that processes use. */
export type DiscoverCluster = (config: Config, host: ServiceHost) => Promise<ProcessDiscovery>;

/** As `discovery.type` says; what is not needed is not loaded. */
export async function processDiscovery(
  config: Config,
  host: ServiceHost,
  load: () => Promise<{ readonly discoverCluster: DiscoverCluster }>,
): Promise<ProcessDiscovery> {
  if (config.discovery.type === "static") return { config, announce: () => undefined };
  const { discoverCluster } = await load();
  return await discoverCluster(config, host);
}
