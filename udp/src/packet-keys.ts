/** Bytes that sealing adds to a packet. */
export const TAG_BYTES = 16;

/**
 * The keys of one connection, both directions: AEAD over whole packets. The nonce is the packet's
 * number, so a number is sealed once. Real in `@atlasnet/udp/node`.
 */
export interface PacketKeys {
  /**
   * Encrypts `packet[start, end)` in place; what stands before it is authenticated with it. The tag
   * is written behind it, so the packet has TAG_BYTES of room. Returns the packet's length.
   */
  seal(number: number, packet: Uint8Array, start: number, end: number): number;
  /**
   * The plain bytes of a packet whose sealed part begins at `start`; undefined when it is not genuine.
   * They are the caller's until the next call.
   */
  open(number: number, packet: Uint8Array, start: number): Uint8Array | undefined;
}
