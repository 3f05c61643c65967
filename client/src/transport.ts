import type { CloseCode } from "@atlasnet/world";

const transportNames = ["ws", "wss", "tcp", "tls", "udp"] as const;

/** What carries the messages of a connection. */
export type TransportName = (typeof transportNames)[number];

/** The transport that an address names by its scheme; "ws" for one that no connection is ever made to. */
export function transportOf(url: string): TransportName {
  const scheme = url.slice(0, url.indexOf(":")).toLowerCase();
  return transportNames.find((name) => name === scheme) ?? "ws";
}

/** Packets of a connection; they only grow. */
export interface PacketCounts {
  readonly packetsIn: number;
  readonly packetsOut: number;
  /** Of those that were sent, taken for lost. */
  readonly packetsLost: number;
}

/** A connection to a server that carries whole messages: one CBOR item each. */
export interface Transport {
  /** Queues a message. Drops it when the connection is no more. */
  send(message: Uint8Array): void;
  /** What went over the network so far, where the transport sees packets. */
  readonly packets?: PacketCounts | undefined;
  /** The address of the server at the other end, once it is known; not every transport can tell. */
  readonly host?: string | undefined;
  /** Ends the connection; no handler is called any more. */
  close(code: CloseCode, reason: string): void;
}

export interface TransportHandlers {
  opened(): void;
  /** The bytes are the handler's to keep. */
  received(message: Uint8Array): void;
  /**
   * Called once, also when the connection could not be made. `number` is a WebSocket close code. With
   * `untrusted` the server did not prove that it is the one asked for, and will not a moment later.
   */
  closed(number: number | undefined, reason: string, untrusted?: boolean): void;
}

/** What a client knows of the server's public key, for transports that check it themselves. */
export interface Trust {
  /** It may name the key in the claim `serverKey`. */
  ticket?: string | undefined;
  /** What another connection to the same server said, 32 bytes. */
  key?: Uint8Array | undefined;
}

/**
 * Opens a connection; handlers are called later, never from within.
 * @throws TypeError for a URL that no transport here serves.
 */
export type Dial = (url: string, handlers: TransportHandlers, trust: Trust) => Transport;
