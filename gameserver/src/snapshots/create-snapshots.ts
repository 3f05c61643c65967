import type { Config, ControlPlane } from "@atlasnet/core";
import type { ServiceHost } from "@atlasnet/core/node";
import { NodeDisk, systemClock } from "@atlasnet/core/system";
import type { Meter } from "@opentelemetry/api";
import { openSnapshotStore } from "./snapshot-store.ts";
import { WorldSnapshots } from "./world-snapshots.ts";

/** Of the time that a stop may take: the rest is for what comes after. */
const FINISH_SHARE = 0.7;

/** What `snapshot.store` asks for; undefined without it. @throws ArtifactError "bad-artifact-store" */
export function createSnapshots(
  { snapshot, data, node }: Config,
  { logger, meter, health }: Pick<ServiceHost, "logger" | "meter" | "health">,
  control: ControlPlane,
): WorldSnapshots | undefined {
  if (snapshot.store === undefined) return undefined;
  const snapshots = new WorldSnapshots(
    {
      node: control.node,
      dataDir: data.dir,
      keep: snapshot.keep,
      uploadBytesPerSecond: snapshot.uploadBytesPerSecond,
      finishMs: Math.round(node.drainMs * FINISH_SHARE),
    },
    {
      storeOf: openSnapshotStore(snapshot.store, process.env),
      control: control.store,
      disk: new NodeDisk(),
      clock: systemClock,
      logger: logger.child({ part: "snapshots" }),
    },
  );
  health.add({
    name: "snapshot store",
    // Worlds play on without it: a warning, and no reason to send players elsewhere.
    check: () => {
      const warning = snapshots.outage.warning();
      return warning === undefined ? { ok: true } : { ok: true, warning };
    },
  });
  registerSnapshotMetrics(meter, snapshots);
  return snapshots;
}

function registerSnapshotMetrics(meter: Meter, snapshots: WorldSnapshots): void {
  meter
    .createObservableGauge("atlasnet_snapshot_store_age_seconds", {
      description: "Age of the newest state of a world that is recorded in the snapshot store",
      unit: "s",
    })
    .addCallback((result) => {
      for (const { world, seconds } of snapshots.ages()) result.observe(seconds, { world });
    });
  meter
    .createObservableGauge("atlasnet_snapshot_store_waiting", {
      description: "Worlds with a snapshot that is not recorded yet",
    })
    .addCallback((result) => result.observe(snapshots.waiting));
  const counters: [string, string, () => number][] = [
    ["uploads_total", "Snapshots brought into the store", () => snapshots.shipper.counts.uploads],
    ["bytes_total", "Bytes of them", () => snapshots.shipper.counts.bytes],
    ["failures_total", "Tries that failed", () => snapshots.outage.failures],
    ["fenced_total", "Not recorded: owned by another", () => snapshots.shipper.counts.fenced],
    ["swept_total", "Removed, no record named them", () => snapshots.shipper.counts.swept],
  ];
  for (const [name, description, value] of counters)
    meter
      .createObservableCounter(`atlasnet_snapshot_store_${name}`, { description })
      .addCallback((result) => result.observe(value()));
}
