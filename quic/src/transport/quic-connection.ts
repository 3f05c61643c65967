/**
 * One QUIC connection as the link layer sees it: streams, datagrams, an end. The real one drives the
 * native binding over our own socket; tests have one in memory.
 *
 * 1. No event is raised from within a call of `write`, `openStream`, `sendDatagram` or `close`.
 * 2. What is written in one turn of the event loop leaves at its end, in as few packets as can be.
 * 3. Nothing of the peer is handed over before `established`, nothing at all after `closed`.
 */
export interface QuicConnection {
  /** Where the peer is, `address:port`, for logs. */
  readonly remote: string;
  /** Its certificates in DER, its own first; empty before `established`. Possession of the key is proven,
   *  the chain is not checked yet: that is for whoever listens to `established`. */
  readonly peerCertificates: readonly Uint8Array[];
  /**
   * Opens a one-way stream to the peer. Urgency 0 to 7, lower leaves first; streams of one urgency share.
   * @throws RangeError when the peer allows no more streams.
   */
  openStream(urgency: number): number;
  /** Hands bytes to a stream of ours; returns how many were taken. After fewer than all, `writable` comes.
   *  The bytes may be reused as soon as this returns. */
  write(stream: number, bytes: Uint8Array): number;
  /** An unordered datagram; false when it cannot be queued (dropped, counted). The bytes may be reused. */
  sendDatagram(bytes: Uint8Array): boolean;
  /** Ends the connection with an application code and a reason (clipped to 512 bytes of UTF-8): both reach the
   *  peer at once, before what is queued. Idempotent. */
  close(code: number, reason: string): void;
  readonly stats: QuicConnectionStats;
}

export interface QuicConnectionEvents {
  /** The handshake is done on this side. */
  established(): void;
  /** Bytes of a stream of the peer, in order. They are never written again: they may be kept, and keep a slab of
   *  256 KiB alive with them. */
  stream(stream: number, bytes: Uint8Array): void;
  /** The peer ended or reset one of its streams, which no link does. */
  streamEnded(stream: number): void;
  /** Like the bytes of `stream`. */
  datagram(bytes: Uint8Array): void;
  /** All packets that came in this turn have been read: hand on what was gathered. */
  turn(): void;
  /** Streams that had refused bytes may take more. */
  writable(): void;
  /** Last event, whoever ended it. */
  closed(reason: QuicCloseReason): void;
}

export interface QuicCloseReason {
  /** `self`: `close` was called. `peer`: the peer called it. `idle`: nothing heard for the idle timeout.
   *  `unreachable`: no answer to the first packets. `transport`: the QUIC or TLS layer gave up (its code). */
  readonly by: "self" | "peer" | "idle" | "unreachable" | "transport";
  readonly code: number;
  readonly reason: string;
}

export interface QuicConnectionStats {
  readonly rttMs: number;
  /** UDP payload in use now, bytes. */
  readonly packetBytes: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}
