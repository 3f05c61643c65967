import type { CloseCode } from "@atlasnet/world";
import type { Meter } from "@opentelemetry/api";
import { dropReasons, UdpCounters } from "./gateway/udp/udp-counters.ts";

/** How the time ended in which a shard was sealed: for another owner, and so on here, with its link, or without news. */
export type SealEnd = "moved" | "unsealed" | "link-lost" | "unheard";

/** A shard whose owner makes no ticks at present, and what its clients say meanwhile. */
export interface SealedShard {
  readonly heldBytes: number;
  readonly clientCount: number;
}

/** Seconds; the usual is some tens of milliseconds. */
const SEAL_BUCKETS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Everything a proxy counts. Plain number fields, because the hot path adds to them; the meter reads
 * them when somebody looks.
 */
export class ProxyCounters {
  accepted = 0;
  acceptErrors = 0;
  socketErrors = 0;
  httpRefused = 0;
  openFramed = 0;
  openWebSocket = 0;
  openUdp = 0;
  openLines = 0;
  bytesOut = 0;
  bytesIn = 0;
  writes = 0;
  messagesIn = 0;
  stateFrames = 0;
  conflated = 0;
  reliableMessages = 0;
  resyncsAsked = 0;
  updatesLost = 0;
  updatesMended = 0;
  mendsAsked = 0;
  upstreamFlushes = 0;
  upstreamEntries = 0;
  downstreamBatches = 0;
  attaches = 0;
  reattaches = 0;
  paused = 0;
  linkFailures = 0;
  linkReconnects = 0;
  staleMessages = 0;
  staleFromClients = 0;
  messagesTraced = 0;
  tracesLeftOut = 0;
  seals = 0;
  movesSuggested = 0;
  /** Shards that are sealed now. */
  readonly sealed = new Set<SealedShard>();
  /** Is told how long each seal lasted, in seconds. */
  sealEnded: (seconds: number, end: SealEnd) => void = () => undefined;
  /** By configured gameserver: 1 while there is a link to it. */
  readonly linksUp = new Map<string, 0 | 1>();
  readonly udp = new UdpCounters();
  /** Connections and hellos that this proxy ended or refused, by close code. */
  readonly closes = new Map<CloseCode, number>();

  countClose(code: CloseCode): void {
    this.closes.set(code, (this.closes.get(code) ?? 0) + 1);
  }
}

type CounterName = {
  [K in keyof ProxyCounters]: ProxyCounters[K] extends number ? K : never;
}[keyof ProxyCounters];
type UdpCounterName = Exclude<keyof UdpCounters, "drops" | "unconfirmed" | "earlyBytes">;

const COUNTERS: readonly [name: string, field: CounterName, what: string][] = [
  ["connections_accepted_total", "accepted", "Connections taken in"],
  ["accept_errors_total", "acceptErrors", "Connections the system could not hand over"],
  ["socket_errors_total", "socketErrors", "Client sockets that failed"],
  ["http_refused_total", "httpRefused", "HTTP requests that were no WebSocket upgrade"],
  ["sent_bytes_total", "bytesOut", "Bytes written to client sockets, TCP"],
  ["received_bytes_total", "bytesIn", "Bytes of client messages"],
  ["writes_total", "writes", "Writes to client sockets, TCP"],
  ["messages_received_total", "messagesIn", "Messages from clients"],
  ["state_frames_total", "stateFrames", "State messages sent to clients"],
  ["state_conflated_total", "conflated", "State messages left out for slow clients"],
  ["reliable_messages_total", "reliableMessages", "Reliable messages sent to clients"],
  ["resyncs_total", "resyncsAsked", "Full states asked for after conflation"],
  ["updates_lost_total", "updatesLost", "Topics' changes that did not arrive over UDP"],
  ["updates_mended_total", "updatesMended", "Lost changes that were sent again"],
  ["updates_unmendable_total", "mendsAsked", "Full states asked for, lost changes being too old"],
  ["upstream_flushes_total", "upstreamFlushes", "Link messages with client input"],
  ["upstream_entries_total", "upstreamEntries", "Client messages passed to shards"],
  ["downstream_batches_total", "downstreamBatches", "Batches received from shards"],
  ["attaches_total", "attaches", "Attachments to shards, first and again"],
  ["reattaches_total", "reattaches", "Attachments made anew without touching the client"],
  ["paused_total", "paused", "Times a client socket was not read, as back-pressure"],
  ["link_failures_total", "linkFailures", "Links that could not be opened or broke"],
  ["link_reconnects_total", "linkReconnects", "Links to gameservers that were opened anew"],
  ["stale_messages_total", "staleMessages", "Link messages of an older epoch, dropped"],
  ["stale_upstream_total", "staleFromClients", "Acks and messages from before a world went back"],
  ["traced_messages_total", "messagesTraced", "Client messages with a trace of their own"],
  ["traces_left_out_total", "tracesLeftOut", "Chosen messages not traced to their tick, too many"],
  ["seals_total", "seals", "Shards that stood still here to move to another gameserver"],
  ["moves_suggested_total", "movesSuggested", "Clients asked to go on through another proxy"],
];

const UDP_COUNTERS: readonly [name: string, field: UdpCounterName, what: string][] = [
  ["received_packets_total", "packetsIn", "Datagrams received, also those that are dropped"],
  ["received_bytes_total", "bytesIn", "Bytes of datagrams received"],
  ["sent_packets_total", "packetsOut", "Datagrams sent"],
  ["sent_bytes_total", "bytesOut", "Bytes of datagrams sent"],
  ["unsent_packets_total", "packetsUnsent", "Datagrams dropped because the system took none"],
  ["handshakes_total", "handshakes", "Handshakes computed"],
  ["retries_total", "retries", "Cookies handed out"],
  ["accepts_repeated_total", "acceptsRepeated", "Handshakes answered again"],
  ["resets_total", "resets", "Clients told that their connection is not known"],
  ["lost_packets_total", "packetsLost", "Sent datagrams that were declared lost"],
  ["unkept_packets_total", "packetsUnkept", "Genuine datagrams there was no room to keep"],
  ["repeated_stream_bytes_total", "streamBytesRepeated", "Bytes of the reliable stream sent again"],
  ["lost_updates_total", "updatesLost", "State updates that were lost or found no room"],
  ["address_changes_total", "addressChanges", "Connections that moved to another address"],
];

const GAUGES: readonly [transport: string, field: CounterName][] = [
  ["framed", "openFramed"],
  ["websocket", "openWebSocket"],
  ["udp", "openUdp"],
  ["lines", "openLines"],
];

/** Makes the counters visible as `atlasnet_proxy_…`. */
export function observeProxy(meter: Meter, counters: ProxyCounters): void {
  for (const [name, field, description] of COUNTERS)
    meter
      .createObservableCounter(`atlasnet_proxy_${name}`, { description })
      .addCallback((result) => result.observe(counters[field]));
  meter
    .createObservableGauge("atlasnet_proxy_connections", { description: "Open connections" })
    .addCallback((result) => {
      for (const [transport, field] of GAUGES) result.observe(counters[field], { transport });
    });
  meter
    .createObservableGauge("atlasnet_proxy_link_up", {
      description: "1 while there is a link to the gameserver, 0 when it is lost or the node gone",
    })
    .addCallback((result) => {
      for (const [peer, up] of counters.linksUp) result.observe(up, { peer });
    });
  observeUdp(meter, counters.udp);
  observeSeals(meter, counters);
  meter
    .createObservableCounter("atlasnet_proxy_closes_total", {
      description: "Connections and requests ended or refused, by close code",
    })
    .addCallback((result) => {
      for (const [code, count] of counters.closes) result.observe(count, { code });
    });
}

function observeSeals(meter: Meter, counters: ProxyCounters): void {
  const sum = (of: (shard: SealedShard) => number) =>
    [...counters.sealed].reduce((all, shard) => all + of(shard), 0);
  meter
    .createObservableGauge("atlasnet_proxy_held_bytes", {
      description: "What clients said to shards that are sealed, kept for the next owner",
    })
    .addCallback((result) => result.observe(sum(({ heldBytes }) => heldBytes)));
  meter
    .createObservableGauge("atlasnet_proxy_held_clients", {
      description: "Clients of shards that are sealed",
    })
    .addCallback((result) => result.observe(sum(({ clientCount }) => clientCount)));
  const seconds = meter.createHistogram("atlasnet_proxy_seal_seconds", {
    description: "How long shards were sealed here, by how that ended",
    unit: "s",
    advice: { explicitBucketBoundaries: SEAL_BUCKETS },
  });
  counters.sealEnded = (duration, end) => seconds.record(duration, { end });
}

function observeUdp(meter: Meter, counters: UdpCounters): void {
  for (const [name, field, description] of UDP_COUNTERS)
    meter
      .createObservableCounter(`atlasnet_proxy_udp_${name}`, { description })
      .addCallback((result) => result.observe(counters[field]));
  meter
    .createObservableGauge("atlasnet_proxy_udp_unconfirmed_connections", {
      description: "Connections whose client has not answered the accept yet",
    })
    .addCallback((result) => result.observe(counters.unconfirmed));
  meter
    .createObservableGauge("atlasnet_proxy_udp_early_bytes", {
      description: "Memory for parts of client streams that came early",
    })
    .addCallback((result) => result.observe(counters.earlyBytes));
  meter
    .createObservableCounter("atlasnet_proxy_udp_dropped_total", {
      description: "Datagrams dropped, by reason",
    })
    .addCallback((result) => {
      for (const why of dropReasons) result.observe(counters.drops[why], { why });
    });
}
