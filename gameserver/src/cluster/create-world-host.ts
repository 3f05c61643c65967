import { openModuleFiles } from "@atlasnet/artifacts";
import type { Config, ControlPlane, LinkNetwork } from "@atlasnet/core";
import type { ServiceHost } from "@atlasnet/core/node";
import { systemClock } from "@atlasnet/core/system";
import type { Meter } from "@opentelemetry/api";
import { MigrationHost } from "../migration/migration-host.ts";
import { registerReplicaMetrics } from "../migration/replica-metrics.ts";
import { registerMirrorMetrics } from "../mirror/mirror-metrics.ts";
import type { Phase } from "../placement/hosted-shard.ts";
import type { Gameserver } from "../server/gameserver.ts";
import { createSnapshots } from "../snapshots/create-snapshots.ts";
import { WorldHost } from "./world-host.ts";
import { WorldModules } from "./world-modules.ts";

export interface WorldHostSurroundings {
  /** By which other gameservers are reached; absent: worlds do not move while they run. */
  readonly links: Pick<LinkNetwork, "connect"> | undefined;
  onGone(shard: string): void;
}

/** What takes worlds from a control plane, with its modules and its health check. @throws ArtifactError */
export async function createWorldHost(
  config: Config,
  host: ServiceHost,
  control: ControlPlane,
  { links, onGone }: WorldHostSurroundings,
): Promise<WorldHost> {
  const { logger, meter, health, tracer } = host;
  const stored = await openModuleFiles(config, { logger, meter });
  host.part("modules", () => stored.stop());
  const snapshots = createSnapshots(config, host, control);
  if (snapshots !== undefined) host.part("snapshots", async () => snapshots.stop());
  const modules = new WorldModules({ dir: config.gameserver.modulesDir }, { stored });
  const { bytesPerSecond } = config.migration;
  const { mirror } = config;
  const migrations =
    links &&
    new MigrationHost(
      { bytesPerSecond, mirror },
      { network: links, clock: systemClock, ...{ logger, meter, tracer } },
    );
  if (migrations !== undefined) {
    registerReplicaMetrics(meter, migrations);
    registerMirrorMetrics(meter, migrations.mirrors);
  }
  const worlds = new WorldHost(
    { control, modules, snapshots, migrations, clock: systemClock, logger, onGone },
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
  "arriving",
];

export function registerHostingMetrics(
  meter: Meter,
  worlds: WorldHost,
  gameserver: Pick<Gameserver, "heldBytes" | "mirrorWaits" | "asleep" | "wakes">,
): void {
  meter
    .createObservableGauge("atlasnet_gameserver_shards", {
      description: "Shards that the control plane meant for this node, by how far they are",
    })
    .addCallback((result) => {
      for (const phase of PHASES) result.observe(worlds.count(phase), { phase });
    });
  meter
    .createObservableGauge("atlasnet_gameserver_asleep", {
      description: "Worlds without players that run here without memory",
    })
    .addCallback((result) => result.observe(gameserver.asleep));
  meter
    .createObservableCounter("atlasnet_gameserver_wakes_total", {
      description: "Worlds that slept and were opened again",
    })
    .addCallback((result) => result.observe(gameserver.wakes.woken));
  meter
    .createObservableGauge("atlasnet_gameserver_wake_seconds", {
      description:
        "What opening a world that slept took: the last one, and the longest since the start",
      unit: "s",
    })
    .addCallback((result) => {
      const { lastWakeMs, longestWakeMs } = gameserver.wakes;
      result.observe(lastWakeMs / 1000, { which: "last" });
      result.observe(longestWakeMs / 1000, { which: "longest" });
    });
  meter
    .createObservableGauge("atlasnet_gameserver_held_bytes", {
      description: "Output that waits for the lease to hold again, or for mirrors",
      unit: "By",
    })
    .addCallback((result) => result.observe(gameserver.heldBytes));
  meter
    .createObservableCounter("atlasnet_mirror_waits_total", {
      description: "Pieces of output of mirrored worlds that waited for their mirrors and left",
    })
    .addCallback((result) => result.observe(gameserver.mirrorWaits.count));
  meter
    .createObservableCounter("atlasnet_mirror_wait_seconds_total", {
      description: "For how long they waited, together",
      unit: "s",
    })
    .addCallback((result) => result.observe(gameserver.mirrorWaits.ms / 1000));
}
