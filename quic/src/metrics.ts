import type { Meter, ObservableResult } from "@opentelemetry/api";
import type { LinkFigures } from "./link/link-figures.ts";
import { DROP_REASONS, type QuicEndpointStats } from "./transport/endpoint-stats.ts";

/** What the metrics of QUIC links are read from; a QuicNetwork. */
export interface QuicFigures {
  /** Of the links that are open. */
  readonly links: readonly LinkFigures[];
  /** Of the sockets, from their start on. */
  readonly endpointStats: readonly QuicEndpointStats[];
}

type LinkRow = [name: string, what: string, read: (link: LinkFigures) => number];

const LINK_GAUGES: readonly LinkRow[] = [
  ["rtt_seconds", "Round trip time of the link to a peer", ({ rttMs }) => rttMs / 1000],
  ["packet_bytes", "UDP payload that the path to a peer lets through", (link) => link.packetBytes],
  ["peer_queued_bytes", "Bytes sent to a peer and not yet taken there", (link) => link.queuedBytes],
];

/** They begin anew with each link. */
const LINK_COUNTERS: readonly LinkRow[] = [
  ["sent_packets_total", "Packets sent on the link to a peer", (link) => link.packetsSent],
  ["lost_packets_total", "Of these, declared lost and sent again", (link) => link.packetsLost],
];

type Labelled = [labels: { [name: string]: string }, read: (stats: QuicEndpointStats) => number];

const ENDPOINT_COUNTERS: readonly [name: string, what: string, series: readonly Labelled[]][] = [
  [
    "packets_total",
    "UDP packets of links",
    [
      [{ direction: "in" }, (stats) => stats.packetsIn],
      [{ direction: "out" }, (stats) => stats.packetsOut],
    ],
  ],
  [
    "bytes_total",
    "Bytes of UDP packets of links",
    [
      [{ direction: "in" }, (stats) => stats.bytesIn],
      [{ direction: "out" }, (stats) => stats.bytesOut],
    ],
  ],
  [
    "handshakes_total",
    "QUIC handshakes, by how they ended",
    [
      [{ result: "done" }, (stats) => stats.handshakesDone],
      [{ result: "refused" }, (stats) => stats.handshakesRefused],
      [{ result: "failed" }, (stats) => stats.handshakesFailed],
    ],
  ],
  [
    "errors_total",
    "Calls of the system and of the QUIC library that failed",
    [
      [{ kind: "send" }, (stats) => stats.sendErrors],
      [{ kind: "socket" }, (stats) => stats.socketErrors],
      [{ kind: "library" }, (stats) => stats.nativeErrors],
    ],
  ],
  ["retries_total", "Addresses asked to prove themselves", [[{}, (stats) => stats.retriesSent]]],
  ["violations_total", "Peers cut off for breaking the rules", [[{}, (stats) => stats.violations]]],
];

/** Shows every open link by its peer, and the sockets of all together. */
export function registerQuicMetrics(meter: Meter, figures: QuicFigures): void {
  const links = (read: LinkRow[2]) => (result: ObservableResult) => {
    for (const link of figures.links) result.observe(read(link), { peer: link.peer.node });
  };
  for (const [name, description, read] of LINK_GAUGES)
    meter.createObservableGauge(`atlasnet_link_${name}`, { description }).addCallback(links(read));
  for (const [name, description, read] of LINK_COUNTERS)
    meter
      .createObservableCounter(`atlasnet_link_${name}`, { description })
      .addCallback(links(read));
  const sum = (read: (stats: QuicEndpointStats) => number) =>
    figures.endpointStats.reduce((all, stats) => all + read(stats), 0);
  for (const [name, description, series] of ENDPOINT_COUNTERS)
    meter
      .createObservableCounter(`atlasnet_quic_${name}`, { description })
      .addCallback((result) => {
        for (const [labels, read] of series) result.observe(sum(read), labels);
      });
  meter
    .createObservableCounter("atlasnet_quic_dropped_packets_total", {
      description: "Packets dropped without an answer, by reason",
    })
    .addCallback((result) => {
      for (const why of DROP_REASONS)
        result.observe(
          sum(({ dropped }) => dropped[why]),
          { why },
        );
    });
  meter
    .createObservableGauge("atlasnet_quic_connections", {
      description: "QUIC connections that hold memory, those included that just ended",
    })
    .addCallback((result) => result.observe(sum((stats) => stats.connections)));
}
