import type { Family, HostPort } from "./address.ts";

/** Called with every packet that comes; `packet` is the receiver's from then on. */
export type PacketHandler = (packet: Buffer, from: { address: string; port: number }) => void;

/** Packets in and out: a UDP socket, or a network in memory in tests. */
export interface PacketPort {
  readonly address: HostPort;
  readonly family: Family;
  /**
   * Sends the first `length` bytes. True: they are on their way and the buffer may be used again; false:
   * they wait, the buffer is taken. `done` comes in a later turn or microtask, with an error if there was one.
   */
  send(buffer: Buffer, length: number, to: HostPort, done: (error: Error | null) => void): boolean;
  /** Ends when what was sent has left, or after a bounded wait. */
  close(): Promise<void>;
}

export interface PacketPortEvents {
  readonly packet: PacketHandler;
  /** The socket is in trouble and lives on. */
  readonly error: (error: Error) => void;
}

export type OpenPacketPort = (at: HostPort, events: PacketPortEvents) => Promise<PacketPort>;
