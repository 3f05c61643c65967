import type { CloseCode } from "@atlasnet/world";
import type { Meter } from "@opentelemetry/api";

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
  openLines = 0;
  bytesOut = 0;
  bytesIn = 0;
  writes = 0;
  messagesIn = 0;
  stateFrames = 0;
  conflated = 0;
  reliableMessages = 0;
  resyncsAsked = 0;
  upstreamFlushes = 0;
  upstreamEntries = 0;
  downstreamBatches = 0;
  attaches = 0;
  reattaches = 0;
  paused = 0;
  linkFailures = 0;
  staleMessages = 0;
  /** Connections and hellos that this proxy ended or refused, by close code. */
  readonly closes = new Map<CloseCode, number>();

  countClose(code: CloseCode): void {
    this.closes.set(code, (this.closes.get(code) ?? 0) + 1);
  }
}

type CounterName = Exclude<keyof ProxyCounters, "closes" | "countClose">;

const COUNTERS: readonly [name: string, field: CounterName, what: string][] = [
  ["connections_accepted_total", "accepted", "Connections taken in"],
  ["accept_errors_total", "acceptErrors", "Connections the system could not hand over"],
  ["socket_errors_total", "socketErrors", "Client sockets that failed"],
  ["http_refused_total", "httpRefused", "HTTP requests that were no WebSocket upgrade"],
  ["sent_bytes_total", "bytesOut", "Bytes written to client sockets"],
  ["received_bytes_total", "bytesIn", "Bytes of client messages"],
  ["writes_total", "writes", "Writes to client sockets"],
  ["messages_received_total", "messagesIn", "Messages from clients"],
  ["state_frames_total", "stateFrames", "State messages sent to clients"],
  ["state_conflated_total", "conflated", "State messages left out for slow clients"],
  ["reliable_messages_total", "reliableMessages", "Reliable messages sent to clients"],
  ["resyncs_total", "resyncsAsked", "Full states asked for after conflation"],
  ["upstream_flushes_total", "upstreamFlushes", "Link messages with client input"],
  ["upstream_entries_total", "upstreamEntries", "Client messages passed to shards"],
  ["downstream_batches_total", "downstreamBatches", "Batches received from shards"],
  ["attaches_total", "attaches", "Attachments to shards, first and again"],
  ["reattaches_total", "reattaches", "Attachments made anew without touching the client"],
  ["paused_total", "paused", "Times a client socket was not read, as back-pressure"],
  ["link_failures_total", "linkFailures", "Links that could not be opened or broke"],
  ["stale_messages_total", "staleMessages", "Link messages of an older epoch, dropped"],
];

const GAUGES: readonly [transport: string, field: CounterName][] = [
  ["framed", "openFramed"],
  ["websocket", "openWebSocket"],
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
    .createObservableCounter("atlasnet_proxy_closes_total", {
      description: "Connections and requests ended or refused, by close code",
    })
    .addCallback((result) => {
      for (const [code, count] of counters.closes) result.observe(count, { code });
    });
}
