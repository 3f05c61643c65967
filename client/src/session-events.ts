import type { CloseCode } from "@atlasnet/world";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import type { UdpAddress } from "./second-path.ts";

/** What goes into a session and what comes out of it, as data. */

/** Why a session ended: a close code of the server, or what the client itself found. */
export type EndCode = CloseCode | "unreachable" | "untrusted-server" | "unknown-code";

/** What is kept over a reload of the page. */
export interface SavedSession {
  resume: string;
  /** The last attempt that was used. */
  attempt: number;
}

export interface SessionOptions {
  /** Where the cluster is: one address at least, the first one is tried first. */
  urls: readonly string[];
  /** Move to UDP when a welcome names it and it answers. */
  secondPath?: boolean;
  world: string;
  ticket?: string | undefined;
  params?: Uint8Array | undefined;
  schema?: Uint8Array | undefined;
  saved?: SavedSession | undefined;
  /** Join anew when the session is no more. */
  rejoin: boolean;
  /** How long the first join may take, with all its attempts to connect. */
  joinTimeoutMs: number;
  maxQueuedMessages: number;
  maxQueuedBytes: number;
}

export interface SessionDependencies {
  /** From 0 up to, not including, 1. */
  random: () => number;
  /** 8 random bytes. */
  newStream: () => Uint8Array;
}

export type SessionEvent =
  | { type: "start" }
  | { type: "opened" }
  | { type: "received"; message: ServerMessage }
  /**
   * The connection is gone; `number` is its WebSocket close code, where there is one. `untrusted` when the
   * server did not prove that it is the one that was asked for.
   */
  | { type: "disconnected"; number?: number; reason: string; untrusted?: boolean }
  /** The handshake of a `probe` is done, or came to nothing. */
  | { type: "probed" }
  | { type: "probe-failed" }
  /** The server sent what nobody can read. */
  | { type: "garbage"; problem: string }
  /** `wakeAt` has come. */
  | { type: "wake" }
  /** The network is back, or the page is visible again: no reason to wait any longer. */
  | { type: "hurry" }
  /** The mirror missed something. */
  | { type: "gap" }
  | { type: "leave" }
  /** Stops without leaving the world. */
  | { type: "stop" };

export type SessionEffect =
  | { type: "dial"; url: string }
  /** A second connection, to the host of the present one; it carries nothing until `move`. */
  | { type: "probe"; address: UdpAddress }
  /** The same to another server. */
  | { type: "probe-url"; url: string }
  | { type: "drop-probe" }
  /** The probe takes the place of the connection, which is hung up. */
  | { type: "move" }
  | { type: "transmit"; message: ClientMessage }
  | { type: "hang-up"; code: CloseCode; reason: string }
  | { type: "save"; saved: SavedSession }
  /** Unless a newer attempt was saved by another instance. */
  | { type: "forget"; attempt: number }
  | { type: "welcomed"; welcome: Welcome }
  | { type: "state"; packed: Uint8Array }
  | { type: "updates"; packed: Uint8Array }
  | { type: "deliver"; index: number; payload: Uint8Array }
  /** The server's tick, heard beside state. */
  | { type: "tick"; tick: number }
  | { type: "transfer"; world: string }
  | { type: "notice"; kind: string; text: string }
  | { type: "dropped"; reason: string }
  | { type: "resumed" }
  | { type: "rolled-back" }
  | { type: "ended"; code: EndCode; reason: string; retry: boolean };
