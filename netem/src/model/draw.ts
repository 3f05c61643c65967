/** `up` is from the client to the server. */
export type Direction = "up" | "down";

/** Which packets are meant: those of a flow, by the order in which flows began, in one direction. */
export interface PathKey {
  readonly flow: number;
  readonly direction: Direction;
}

/** What a number is drawn for; each draw of a packet is independent of its others. */
export const Draw = {
  loss: 0,
  delay: 1,
  reorder: 2,
  duplicate: 3,
  delayOfCopy: 4,
  /** And from here on, of retransmission 1, 2, … of a TCP segment. */
  lossAgain: 5,
} as const;

/**
 * A number from 0 up to, not including, 1 that depends on its arguments alone: nobody's draw moves
 * another's, and a packet's fate can be told without those before it. MurmurHash3 over the
 * arguments as 32-bit words.
 */
export function draw(seed: number, path: PathKey, n: number, purpose: number): number {
  let hash = mix(0x41_4e_45_54, seed);
  hash = mix(hash, path.flow);
  hash = mix(hash, path.direction === "up" ? 0 : 1);
  hash = mix(hash, n);
  // Past 2^32 packets the low word begins anew.
  hash = mix(hash, Math.floor(n / 2 ** 32));
  hash = mix(hash, purpose);
  return finish(hash) / 2 ** 32;
}

function mix(hash: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let z = hash;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
