import { openModuleFiles } from "@atlasnet/artifacts";
import type { Config, ControlPlane } from "@atlasnet/core";
import { type ServiceHost, systemClock } from "@atlasnet/core/node";
import type { Meter } from "@opentelemetry/api";
import type { Phase } from "../placement/hosted-shard.ts";
import { createSnapshots } from "../snapshots/create-snapshots.ts";
import { WorldHost } from "./world-host.ts";
import { WorldModules } from "./world-modules.ts";

/** What takes worlds from a control plane, with its modules and its health check. @throws ArtifactError */
export async function createWorldHost(
  config: Config,
  host: ServiceHost,
  control: ControlPlane,
  onGone: (shard: string) => void,
): Promise<WorldHost> {
  const { logger, meter, health } = host;
  const stored = await openModuleFiles(config, { logger, meter });
  host.part("modules", () => stored.stop());
  const snapshots = createSnapshots(config, host, control);
  if (snapshots !== undefined) host.part("snapshots", async () => snapshots.stop());
  const modules = new WorldModules({ dir: config.gameserver.modulesDir }, { stored });
  const worlds = new WorldHost(
    { control, modules, snapshots, clock: systemClock, logger, onGone },
    { fresh: config.data.fresh },
  );
  health.add({
    name: "placement",
    check: () => {
      const reason = worlds.problem();
      return reason === undefined ? { ok: true } : { ok: false, reason };
    },
  });
  return worlds;
}

const PHASES: readonly Phase[] = [
  "rest",
  "preparing",
  "claiming",
  "claimed",
  "opening",
  "open",
  "renewing",
  "closing",
  "releasing",
];

export function registerHostingMetrics(
  meter: Meter,
  worlds: WorldHost,
  gameserver: { readonly heldBytes: number },
): void {
  meter
    .createObservableGauge("atlasnet_gameserver_shards", {
      description: "Shards that the control plane meant for this node, by how far they are",
    })
    .addCallback((result) => {
      for (const phase of PHASES) result.observe(worlds.count(phase), { phase });
    });
  meter
    .createObservableGauge("atlasnet_gameserver_held_bytes", {
      description: "Output that waits for the lease to hold again",
      unit: "By",
    })
    .addCallback((result) => result.observe(gameserver.heldBytes));
}
