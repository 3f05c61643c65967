import { performance } from "node:perf_hooks";
import type { Meter } from "@opentelemetry/api";

/** Memory, CPU and load of this process, read when somebody scrapes; costs nothing in between. */
export function registerProcessMetrics(meter: Meter): void {
  meter
    .createObservableGauge("atlasnet_process_memory_bytes", {
      description: "Memory: rss is what the system counts, heap and external are parts of it",
    })
    .addCallback((result) => {
      const { rss, heapUsed, external } = process.memoryUsage();
      result.observe(rss, { kind: "rss" });
      result.observe(heapUsed, { kind: "heap" });
      result.observe(external, { kind: "external" });
    });
  meter
    .createObservableCounter("atlasnet_process_cpu_seconds_total", {
      description: "CPU time of all threads of the process",
    })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / 1e6, { mode: "user" });
      result.observe(system / 1e6, { mode: "system" });
    });
  let last = performance.eventLoopUtilization();
  meter
    .createObservableGauge("atlasnet_event_loop_utilization_ratio", {
      description: "Share of time the main thread's event loop was busy since the last scrape",
    })
    .addCallback((result) => {
      const now = performance.eventLoopUtilization();
      result.observe(performance.eventLoopUtilization(now, last).utilization);
      last = now;
    });
}
