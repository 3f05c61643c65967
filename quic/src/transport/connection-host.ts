import type { Clock } from "@atlasnet/core";
import type { HostPort } from "./address.ts";
import type { Arena } from "./arena.ts";
import type { EndpointCounters } from "./endpoint-stats.ts";
import type { QuicheConnection } from "./quiche-connection.ts";

/** What a connection needs of its endpoint. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly counters: EndpointCounters;
  readonly arena: Arena;
  readonly options: ConnectionOptions;
  /** Largest UDP payload that may be worth trying towards an address. */
  readonly pathLimit: (host: string) => number;
  readonly random: (count: number) => Uint8Array;
  /** Where we are, as the QUIC layer names it. */
  readonly local: HostPort;
  /** Has `flush` called at the end of this turn; from within a flush, of the next. */
  schedule(connection: QuicheConnection): void;
  /** A buffer of so many bytes for the next packet; valid until `transmit` or the end of the call. */
  outgoing(bytes: number): Buffer;
  /** Sends the first `length` bytes of the buffer from `outgoing`. */
  transmit(length: number, to: HostPort, done: (error: Error | null) => void): void;
  /** The connection has ended, and may linger a while. */
  closed(connection: QuicheConnection): void;
  /** The connection holds nothing any more. */
  freed(connection: QuicheConnection): void;
}

export interface ConnectionOptions {
  readonly idleTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly maxPacketBytes: number;
  readonly maxStreams: number;
}
