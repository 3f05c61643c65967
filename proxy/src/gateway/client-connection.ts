import type { CloseCode } from "@atlasnet/world";
import type { Framing } from "../session/framing.ts";

export type Transport = "framed" | "websocket" | "udp" | "lines";

/** State that was sent without a promise to arrive: which topics of which tick. */
export interface SentUpdates {
  readonly tick: number;
  readonly topics: readonly number[];
}

/** The unreliable side of a connection that has one (docs/protocol.md, section 11.4). */
export interface DatagramPort {
  /** Most bytes of packed updates in one packet; what is larger goes through `sendFrames`. */
  readonly maxUpdatesBytes: number;
  /**
   * Sends packed updates. `ClientEvents.updatesLost` is called with `sent` when they did not arrive,
   * or could not be sent now; never from within this call. The bytes may change afterwards.
   */
  sendUpdates(packed: Uint8Array, sent: SentUpdates): void;
}

/**
 * The port between gateways and the session layer: one client's connection, whatever protocol
 * carries it.
 */
export interface ClientConnection {
  readonly transport: Transport;
  readonly remoteAddress: string;
  /** How frames for `sendFrames` are made. */
  readonly framing: Framing;
  /** Absent where everything is reliable. */
  readonly datagrams?: DatagramPort;
  /** True from `close` on: the reason is on its way and nothing is read any more. */
  readonly closing: boolean;
  /** Bytes written that the operating system has not taken yet. */
  readonly backlogBytes: number;
  /** Sends one CBOR item. */
  send(item: Uint8Array): void;
  /** Sends whole frames, made by the session layer. The bytes must not change afterwards. */
  sendFrames(bytes: Uint8Array): void;
  /** Says why, flushes and ends. Later calls do nothing; `closed` follows. */
  close(code: CloseCode, reason: string): void;
  /** Stops reading the socket: back-pressure towards the client. */
  pause(): void;
  resume(): void;
}

/** What a gateway tells the session layer. */
export interface ClientEvents {
  /** One whole CBOR item; a view that is valid during the call only. */
  message(item: Uint8Array): void;
  /** A message of the transport itself (a WebSocket ping); it counts against the rate limit. */
  control(): void;
  /** The transport broke a rule: the connection must end with that code. */
  violation(code: CloseCode, reason: string): void;
  /** Updates of `DatagramPort.sendUpdates` did not arrive. */
  updatesLost(sent: SentUpdates): void;
  /** The connection is gone; the last event. */
  closed(): void;
}
