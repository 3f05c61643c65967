import type { Meter } from "@opentelemetry/api";
import type { NodeLinks } from "./node-links.ts";

/** What an apiserver measures of the nodes that are linked to it. */
export function registerNodeLinkMetrics(meter: Meter, nodes: Pick<NodeLinks, "figures">): void {
  meter
    .createObservableGauge("atlasnet_nodes_linked", {
      description: "Proxies and gameservers linked to this apiserver",
    })
    .addCallback((result) => {
      const { proxy, gameserver } = nodes.figures.linked;
      result.observe(proxy, { role: "proxy" });
      result.observe(gameserver, { role: "gameserver" });
    });
  meter
    .createObservableGauge("atlasnet_nodes_watches", {
      description: "Watches of linked nodes",
    })
    .addCallback((result) => result.observe(nodes.figures.watches));
  meter
    .createObservableCounter("atlasnet_nodes_calls_total", {
      description: "Questions of nodes, by method and result",
    })
    .addCallback((result) => {
      for (const { method, code, count } of nodes.figures.answered)
        result.observe(count, { method, result: code });
    });
}
