import type { Meter } from "@opentelemetry/api";
import type { WalFigures } from "./wal-options.ts";

/** The metrics of a log; `read` gives its figures. */
export function registerWalMetrics(meter: Meter, read: () => WalFigures): void {
  const counter = (name: string, description: string, key: keyof WalFigures) =>
    meter
      .createObservableCounter(name, { description })
      .addCallback((result) => result.observe(Number(read()[key])));
  const gauge = (name: string, description: string, key: keyof WalFigures) =>
    meter
      .createObservableGauge(name, { description })
      .addCallback((result) => result.observe(Number(read()[key])));
  counter("atlasnet_raft_log_saves_total", "Saves asked of the Raft log", "saves");
  counter("atlasnet_raft_log_syncs_total", "Writes of the Raft log with their sync", "groups");
  counter("atlasnet_raft_log_written_bytes_total", "Bytes written to the Raft log", "bytes");
  counter(
    "atlasnet_raft_log_sync_seconds_total",
    "Time that writes of the Raft log took, with their sync",
    "syncSeconds",
  );
  counter(
    "atlasnet_raft_log_slow_syncs_total",
    "Syncs of the Raft log that took longer than a second",
    "slowSyncs",
  );
  gauge("atlasnet_raft_log_waiting_bytes", "Bytes that wait for the disk", "waitingBytes");
  gauge("atlasnet_raft_log_segments", "Segments of the Raft log", "segments");
  gauge(
    "atlasnet_raft_log_disk_bytes",
    "Bytes of its segments, allocated ones included",
    "segmentBytes",
  );
  gauge("atlasnet_raft_log_failed", "1 after the Raft log has failed", "failed");
}
