/** Why a packet was dropped. */
export const DROP_REASONS = [
  "malformed", // too short, or no QUIC header
  "unknown-connection", // for a connection that is not, or no more
  "wrong-address", // for a connection, but not from where its peer is
  "not-listening", // begins a connection, and none are taken
  "bad-token", // its Retry token is not ours, too old, or of another address
  "too-busy", // begins a connection, and so many were begun just now, from that address or from all
  "unreadable", // the QUIC layer could not read it: forged, damaged, replayed or unasked for
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** What an endpoint counts from its start on, and `connections`, which goes up and down. */
export interface QuicEndpointStats {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly retriesSent: number;
  readonly versionAnswersSent: number;
  /** Clients told that their connection is not known, or no more. */
  readonly resetsSent: number;
  /** Handshakes done, of both directions. */
  readonly handshakesDone: number;
  /** Not begun since `maxConnections` are open. */
  readonly handshakesRefused: number;
  /** Begun and never done. */
  readonly handshakesFailed: number;
  /** Connections that hold memory now, those that linger after their end included. */
  readonly connections: number;
  /** Ids by which packets find them. */
  readonly connectionIds: number;
  readonly sendErrors: number;
  /** Errors the socket told of itself. */
  readonly socketErrors: number;
  /** Too long for the packets in use, or the queue was full. */
  readonly datagramsDropped: number;
  /** Calls of the native library that failed for no reason of the peer's. */
  readonly nativeErrors: number;
  /** Connections closed since the peer broke the rules. */
  readonly violations: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The same, as the endpoint and its connections write it. */
export type EndpointCounters = Writable<Omit<QuicEndpointStats, "dropped">> & {
  readonly dropped: Record<DropReason, number>;
};

export function createCounters(): EndpointCounters {
  return {
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    dropped: {
      malformed: 0,
      "unknown-connection": 0,
      "wrong-address": 0,
      "not-listening": 0,
      "bad-token": 0,
      "too-busy": 0,
      unreadable: 0,
    },
    retriesSent: 0,
    versionAnswersSent: 0,
    resetsSent: 0,
    handshakesDone: 0,
    handshakesRefused: 0,
    handshakesFailed: 0,
    connections: 0,
    connectionIds: 0,
    sendErrors: 0,
    socketErrors: 0,
    datagramsDropped: 0,
    nativeErrors: 0,
    violations: 0,
  };
}
