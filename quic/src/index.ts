export type {
  QuicCloseReason,
  QuicConnection,
  QuicConnectionEvents,
} from "./transport/quic-connection.ts";
