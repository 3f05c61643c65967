/** Length of the ids this endpoint gives its connections. */
export const CONNECTION_ID_BYTES = 8;

/** Largest id of QUIC version 1. */
export const MAX_CONNECTION_ID_BYTES = 20;

/** Shortest packet that can be for a connection: first byte, id, packet number, and a sample for the header's mask. */
const MIN_PACKET_BYTES = 1 + CONNECTION_ID_BYTES + 4;

const LONG_HEADER = 0x80;

/** Of a long header: the first byte, four of the version, one with the length of the id. */
const LONG_ID_OFFSET = 6;

/** An id as a key of a map. */
export function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}

export function isLongHeader(packet: Uint8Array): boolean {
  return ((packet[0] ?? 0) & LONG_HEADER) !== 0;
}

/**
 * The key of the connection a packet is for, read from its plain part. An id of another length than ours
 * belongs to a client that has not been answered yet: "". Undefined: no QUIC packet at all.
 */
export function destinationKey(packet: Buffer): string | undefined {
  if (packet.length < MIN_PACKET_BYTES) return undefined;
  if (!isLongHeader(packet)) return packet.toString("latin1", 1, 1 + CONNECTION_ID_BYTES);
  const length = packet[LONG_ID_OFFSET - 1] ?? 0;
  if (length > MAX_CONNECTION_ID_BYTES || LONG_ID_OFFSET + length > packet.length) return undefined;
  if (length !== CONNECTION_ID_BYTES) return "";
  return packet.toString("latin1", LONG_ID_OFFSET, LONG_ID_OFFSET + CONNECTION_ID_BYTES);
}
