export { openClusterLinks } from "./cluster-links.ts";
export type { HostPort, LinkEndpoint, OpenEndpoint } from "./link/endpoints.ts";
export type { LinkFigures } from "./link/link-figures.ts";
export {
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_MAX_CONNECTIONS,
  QuicNetwork,
  type QuicNetworkDependencies,
  type QuicNetworkOptions,
} from "./link/quic-network.ts";
export { type QuicFigures, registerQuicMetrics } from "./metrics.ts";
export type { QuicCredentials } from "./transport/credentials.ts";
export type { QuicEndpointStats } from "./transport/endpoint-stats.ts";
export type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
  QuicConnectionStats,
} from "./transport/quic-connection.ts";
export { QuicEndpoint, type QuicEndpointOptions } from "./transport/quic-endpoint.ts";
