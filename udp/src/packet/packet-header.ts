/** The head of a sealed packet (docs/protocol.md, 11.2). */

export const SEALED = 0x04;
const CONNECTION_ID_BYTES = 6;

/** Where a sealed packet's number begins. */
export const NUMBER_AT = { server: 1 + CONNECTION_ID_BYTES, client: 1 } as const;

/** Where the number that begins at `at` ends; -1 when the packet ends before it, or it is too long. */
export function numberEnd(packet: Uint8Array, at: number): number {
  const last = Math.min(packet.length, at + 8);
  for (let i = at; i < last; i++) if ((packet[i] ?? 0x80) < 0x80) return i + 1;
  return -1;
}

/** The number in `packet[at, end)`; above 2^53 − 1 it is not exact, and never that of a packet that is taken. */
export function numberIn(packet: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = end - 1; i >= at; i--) value = value * 0x80 + ((packet[i] ?? 0) & 0x7f);
  return value;
}
