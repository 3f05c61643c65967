import { CONNECTION_ID_BYTES } from "./connection-id.ts";

/**
 * Probes of the packet size go beside QUIC on the same socket, for the binding cannot pad a QUIC packet.
 * Their first byte has neither of the two highest bits, which no packet of QUIC version 1 lacks:
 *
 * ```
 * ask     1 · connection id (8) · nonce (8) · zeros up to the size to try
 * answer  2 · connection id (8) · nonce (8) · size that arrived (2, big-endian)
 * ```
 * The id is the receiver's. An answer is 19 bytes and goes to the peer's address only; the nonce is random
 * and of one connection, so that nobody off the path can answer.
 */
const ASK = 1;
const ANSWER = 2;
const NOT_QUIC_MASK = 0xc0;
const NONCE_OFFSET = 1 + CONNECTION_ID_BYTES;
export const NONCE_BYTES = 8;
const SIZE_OFFSET = NONCE_OFFSET + NONCE_BYTES;
export const ANSWER_BYTES = SIZE_OFFSET + 2;

export type SizeProbe =
  | { readonly type: "ask"; readonly nonce: Uint8Array; readonly bytes: number }
  | { readonly type: "answer"; readonly nonce: Uint8Array; readonly bytes: number };

/** True for a packet that is none of QUIC's. */
export function isBesideQuic(packet: Uint8Array): boolean {
  return ((packet[0] ?? 0) & NOT_QUIC_MASK) === 0;
}

/** Fills the whole of `out`, at least ANSWER_BYTES. */
export function writeAsk(out: Buffer, id: Uint8Array, nonce: Uint8Array): void {
  out.fill(0);
  out[0] = ASK;
  out.set(id, 1);
  out.set(nonce, NONCE_OFFSET);
}

/** Writes ANSWER_BYTES. */
export function writeAnswer(out: Buffer, id: Uint8Array, nonce: Uint8Array, bytes: number): void {
  out[0] = ANSWER;
  out.set(id, 1);
  out.set(nonce, NONCE_OFFSET);
  out.writeUInt16BE(bytes, SIZE_OFFSET);
}

/** Undefined: no probe. */
export function readProbe(packet: Buffer): SizeProbe | undefined {
  if (packet.length < ANSWER_BYTES) return undefined;
  const nonce = packet.subarray(NONCE_OFFSET, SIZE_OFFSET);
  if (packet[0] === ASK) return { type: "ask", nonce, bytes: packet.length };
  if (packet[0] !== ANSWER || packet.length !== ANSWER_BYTES) return undefined;
  return { type: "answer", nonce, bytes: packet.readUInt16BE(SIZE_OFFSET) };
}
