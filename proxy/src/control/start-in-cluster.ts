import type { LoadedConfig } from "@atlasnet/core";
import {
  type ClusterLinks,
  type OpenClusterLinks,
  openControlPlane,
  type ServiceHost,
  systemClock,
  systemRandom,
} from "@atlasnet/core/node";
import { clusterKeys } from "../cluster-keys.ts";
import { parseNodeAddress } from "../routing/node-address.ts";
import { WatchedPlacements } from "../routing/watched-placements.ts";
import type { ProxyService } from "../server/proxy.ts";
import { createProxyService } from "../service.ts";
import { Membership } from "./membership.ts";
import { LoadMeter } from "./node-load.ts";
import { PlacementFollower } from "./placement-follower.ts";

export interface ClusterDependencies {
  readonly openLinks: OpenClusterLinks;
  /** Default: over links to the apiservers that `cluster.apiservers` names. */
  readonly openPlane?: typeof openControlPlane;
}

export interface ProxyInCluster {
  readonly links: ClusterLinks;
  readonly proxy: ProxyService;
  drain(deadlineMs: number): Promise<void>;
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
  const { logger } = host;
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
  const membership = new Membership({
    plane,
    clock: systemClock,
    logger,
    refused: (error) => host.fatal("This proxy cannot become a member of its cluster.", error),
  });
  host.part("registration", () => membership.stop());
  const follower = new PlacementFollower({
    store: plane.store,
    placements,
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  host.part("placements", async () => follower.stop());
  // The plane gives up what waits for it, and that is no trouble to be told.
  host.stopSignal.addEventListener("abort", () => {
    membership.ending();
    if (plane.registration === undefined) follower.stop();
  });
  follower.observe(host.meter);
  host.health.add({ name: "placements", check: () => readiness(placements, follower) });
  // After the identity: the CA hands both over together.
  const keys = await clusterKeys(loaded);
  const proxy = await createProxyService(
    { config, keys, peers: [] },
    { host, links: plane.links.network, placements },
  );
  const load = new LoadMeter({
    counters: proxy.counters,
    clock: systemClock,
    memoryBytes: () => process.memoryUsage.rss(),
  });
  membership.start(() => load.load());
  follower.start();
  return {
    links: plane.links,
    proxy,
    drain: (deadlineMs) => {
      membership.drain();
      return proxy.drain(deadlineMs);
    },
  };
}

/** A view that was complete once goes on, however old: gameservers know themselves what they own. */
function readiness(placements: WatchedPlacements, follower: PlacementFollower) {
  if (placements.complete) return { ok: true as const };
  const why = follower.problem === undefined ? "" : `: ${follower.problem}`;
  return {
    ok: false as const,
    reason: `${placements.awaited.join(", ")} of the control store was not read yet${why}`,
  };
}
