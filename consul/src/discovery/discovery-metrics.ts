import type { ServiceHost } from "@atlasnet/core/node";
import type { ConsulDiscovery } from "./consul-discovery.ts";

/** What a process measures of how it finds the others by Consul. */
export function registerDiscoveryMetrics(
  meter: ServiceHost["meter"],
  discovery: Pick<ConsulDiscovery, "figures">,
): void {
  const gauge = (name: string, description: string) =>
    meter.createObservableGauge(name, { description });
  gauge(
    "atlasnet_discovery_announced",
    "1 while Consul knows of this process and has its reports",
  ).addCallback((result) => result.observe(Number(discovery.figures.announced)));
  gauge("atlasnet_discovery_found", "Processes that Consul named last, by role").addCallback(
    (result) => {
      for (const [role, { all }] of discovery.figures.found) result.observe(all, { role });
    },
  );
  gauge("atlasnet_discovery_ready", "Those of them that said they are ready").addCallback(
    (result) => {
      for (const [role, { ready }] of discovery.figures.found) result.observe(ready, { role });
    },
  );
  meter
    .createObservableCounter("atlasnet_discovery_failures_total", {
      description: "Requests for discovery that Consul did not answer, or refused",
    })
    .addCallback((result) => result.observe(discovery.figures.failures));
}
