import { type LoadedConfig, parseNodeAddress } from "@atlasnet/core";
import {
  type ClusterLinks,
  type OpenClusterLinks,
  openControlPlane,
  type ServiceHost,
} from "@atlasnet/core/node";
import { clusterKeys } from "../cluster-keys.ts";
import { WatchedPlacements } from "../routing/watched-placements.ts";
import { type PlacedProxy, startPlacedProxy } from "./placed-proxy.ts";

export interface ClusterDependencies {
  readonly openLinks: OpenClusterLinks;
  /** Default: over links to the apiservers that `cluster.apiservers` names. */
  readonly openPlane?: typeof openControlPlane;
}

export interface ProxyInCluster extends PlacedProxy {
  readonly links: ClusterLinks;
}

/**
 * A proxy that finds worlds by the control plane. It takes players at once; those who come before the placements
 * were read wait. @throws an error that says what to do.
 */
export async function startInCluster(
  loaded: LoadedConfig,
  { openLinks, openPlane = openControlPlane }: ClusterDependencies,
  host: ServiceHost,
): Promise<ProxyInCluster> {
  const { config } = loaded;
  const placements = new WatchedPlacements();
  const plane = await openPlane(
    {
      config,
      role: "proxy",
      modules: [],
      accepts: ["gameserver"],
      bind: { host: config.links.host, port: 0 },
      lookup: (node) => {
        const address = parseNodeAddress(placements.addressOf(node) ?? "");
        return address === undefined ? undefined : { ...address, role: "gameserver" };
      },
      ownsDataDir: false,
    },
    { host, openLinks },
  );
  // The keys after the identity: the CA hands both over together.
  const keys = () => clusterKeys(loaded);
  const { links } = plane;
  const placed = await startPlacedProxy(
    { config, keys, placements },
    { host, links: links.network, plane },
  );
  return { ...placed, links };
}
