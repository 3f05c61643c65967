import type { Config, ControlPlane, LinkNetwork } from "@atlasnet/core";
import type { ServiceHost } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { WatchedPlacements } from "../routing/watched-placements.ts";
import type { ProxyService } from "../server/proxy-service.ts";
import { createProxyService, type ProxyKeys } from "../service.ts";
import { Membership } from "./membership.ts";
import { LoadMeter } from "./node-load.ts";
import { PlacementFollower } from "./placement-follower.ts";

export interface PlacedProxyOptions {
  readonly config: Config;
  /** Default: those of the configured key files, which are made when they are not there. */
  readonly keys?: () => Promise<ProxyKeys>;
  /** Which it keeps up to date; default: its own. */
  readonly placements?: WatchedPlacements;
}

export interface PlacedProxyDependencies {
  readonly host: ServiceHost;
  /** Where gameservers are reached. The network stays its creator's. */
  readonly links: LinkNetwork;
  /** It is registered there, and finds worlds there. Its creator stops it. */
  readonly plane: ControlPlane;
}

export interface PlacedProxy {
  readonly proxy: ProxyService;
  drain(deadlineMs: number): Promise<void>;
}

/**
 * A proxy that finds worlds by the control plane. It takes players at once; those who come before the placements
 * were read wait. @throws an error that says what to do.
 */
export async function startPlacedProxy(
  { config, keys, placements = new WatchedPlacements() }: PlacedProxyOptions,
  { host, links, plane }: PlacedProxyDependencies,
): Promise<PlacedProxy> {
  const { logger } = host;
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
  const proxy = await createProxyService(
    { config, keys: await keys?.(), peers: [] },
    { host, links, placements },
  );
  const load = new LoadMeter({
    counters: proxy.counters,
    clock: systemClock,
    memoryBytes: () => process.memoryUsage.rss(),
  });
  membership.start(() => load.load());
  follower.start();
  return {
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
