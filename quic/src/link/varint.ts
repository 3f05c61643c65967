/**
 * Numbers in frames: the variable-length integers of RFC 9000, section 16, in their forms of one, two
 * and four bytes. The first two bits say which; the rest is the number, big-endian.
 */

/** Largest number that can be written. */
export const MAX_VARINT = 2 ** 30 - 1;
export const MAX_VARINT_BYTES = 4;

/** Bytes of the number that begins with this byte; 0 for the form of eight bytes, which frames do not use. */
export function varintBytes(first: number): number {
  return first < 0x40 ? 1 : first < 0x80 ? 2 : first < 0xc0 ? 4 : 0;
}

/** Reads a number that is there in full. */
export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x40) return first;
  const second = bytes[at + 1] ?? 0;
  if (first < 0x80) return ((first & 0x3f) << 8) | second;
  return (
    ((first & 0x3f) << 24) | (second << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  );
}

/** Writes a number in its shortest form; returns where the next byte goes. Needs up to 4 bytes of room. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    bytes[at] = 0x40 | (value >> 8);
    bytes[at + 1] = value & 0xff;
    return at + 2;
  }
  bytes[at] = 0x80 | (value >> 24);
  bytes[at + 1] = (value >> 16) & 0xff;
  bytes[at + 2] = (value >> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
  return at + 4;
}
