import { MAX_CLIENT_MESSAGE_BYTES } from "@atlasnet/core";

/** Every bound of a proxy. What happens at each is said beside it; the metric counts it. */
export interface ProxyLimits {
  /** Connections in total; further ones are closed with `too-many-connections`. */
  connections: number;
  /** Connections from one address (IPv6: one /64 network); closed like the above. */
  connectionsPerAddress: number;
  /** Time for the first hello, TLS and HTTP included; then `handshake-timeout`. */
  handshakeTimeoutMs: number;
  /** Nothing heard for so long: `idle-timeout`. */
  idleTimeoutMs: number;
  /** The same for text lines, whose clients have nothing to say. */
  linesIdleTimeoutMs: number;
  /** Largest message of a client; above it `too-large`. */
  maxMessageBytes: number;
  /** Messages of one connection, WebSocket control frames included; above it `rate-limited`. */
  messagesPerSecond: number;
  messagesBurst: number;
  /** Bytes of one connection; above it `rate-limited`. */
  bytesPerSecond: number;
  bytesBurst: number;
  /** Longest text line in bytes; above it `ERR too-large` and the end. */
  lineBytes: number;
  /** Topics one text connection may follow; above it `ERR rate-limited`. */
  watchesPerConnection: number;
  /** Unsent bytes of a socket above which its client gets no state until it drained. */
  stateBacklogBytes: number;
  /** Unsent bytes of a socket above which a reliable message ends it with `slow-consumer`. */
  reliableBacklogBytes: number;
  /** Upstream kept per client while its world has no owner; past it the socket is not read. */
  attachBufferBytes: number;
  /** Upstream kept per shard while its link is full or its owner moves; past it its clients' sockets are not read, what was read at once then (64 KiB) excepted. */
  upstreamBufferBytes: number;
  /** A shard that is sealed for so long without news counts as one without an owner: its players wait, and are not closed for it. */
  sealedMs: number;
  /** How long clients wait for an owner; then `world-unavailable`. */
  unavailableTimeoutMs: number;
  /** How long a client may take to go on through another proxy when this one stops; then `shutting-down`. */
  goElsewhereMs: number;
  /** Upstream messages are gathered at least this long: each link message wakes the world's thread. */
  upstreamFlushMs: number;
  /** How long a closed connection may take to read the reason; then it is cut. */
  closeLingerMs: number;
  /** UDP connections whose client was not heard since its accept; at one more the oldest is forgotten. */
  unconfirmedConnections: number;
}

export const defaultLimits: ProxyLimits = {
  connections: 20_000,
  connectionsPerAddress: 1_000,
  handshakeTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  linesIdleTimeoutMs: 600_000,
  maxMessageBytes: MAX_CLIENT_MESSAGE_BYTES,
  messagesPerSecond: 100,
  messagesBurst: 200,
  bytesPerSecond: 64 * 1024,
  bytesBurst: 256 * 1024,
  lineBytes: 4096,
  watchesPerConnection: 32,
  stateBacklogBytes: 64 * 1024,
  reliableBacklogBytes: 1024 * 1024,
  attachBufferBytes: 64 * 1024,
  upstreamBufferBytes: 1024 * 1024,
  sealedMs: 10_000,
  unavailableTimeoutMs: 30_000,
  goElsewhereMs: 3_000,
  upstreamFlushMs: 5,
  closeLingerMs: 2_000,
  unconfirmedConnections: 4_096,
};
