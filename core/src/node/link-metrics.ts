import type { Meter } from "@opentelemetry/api";
import type { LinkStats } from "../link/link-limits.ts";

/** Shows what the links of a network did. `adapter` names it: in-process, quic. */
export function registerLinkMetrics(meter: Meter, stats: LinkStats, adapter: string): void {
  const labels = { adapter };
  const counter = (name: string, description: string, read: () => number) =>
    meter
      .createObservableCounter(name, { description })
      .addCallback((result) => result.observe(read(), labels));
  const gauge = (name: string, description: string, read: () => number) =>
    meter
      .createObservableGauge(name, { description })
      .addCallback((result) => result.observe(read(), labels));
  counter("atlasnet_link_messages_total", "Messages sent on links", () => stats.messages);
  counter("atlasnet_link_bytes_total", "Bytes of messages sent on links", () => stats.bytes);
  counter("atlasnet_link_datagrams_total", "Datagrams sent on links", () => stats.datagrams);
  counter(
    "atlasnet_link_datagrams_dropped_total",
    "Datagrams dropped: no listener, queue full, or lost",
    () => stats.droppedDatagrams,
  );
  counter(
    "atlasnet_link_overflows_total",
    "Links closed because a channel's queue was full",
    () => stats.overflows,
  );
  counter(
    "atlasnet_link_stalls_total",
    "Times a channel asked its sender to wait",
    () => stats.stalls,
  );
  gauge("atlasnet_link_open", "Open link ends", () => stats.opened - stats.closed);
  gauge(
    "atlasnet_link_queued_bytes",
    "Bytes sent on links and not yet taken",
    () => stats.queuedBytes,
  );
}
