export type { QuicCredentials } from "./transport/credentials.ts";
export type { QuicEndpointStats } from "./transport/endpoint-stats.ts";
export type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
} from "./transport/quic-connection.ts";
export { QuicEndpoint, type QuicEndpointOptions } from "./transport/quic-endpoint.ts";
