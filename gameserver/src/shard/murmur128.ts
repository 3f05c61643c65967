/** 128 bits as four signed 32-bit numbers. */
export interface Hash128 {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/**
 * MurmurHash3_x86_128 by Austin Appleby, placed in the public domain (SMHasher, src/MurmurHash3.cpp). Its
 * multiplications are of 32 bits, which is what JavaScript is quick at. It finds differences, it does
 * not resist an attacker.
 */
export function hash128(bytes: Uint8Array, seed = 0): Hash128 {
  const { length } = bytes;
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  const whole = length - (length % 16);
  for (let i = 0; i < whole; i += 16) {
    h1 = (rotate(h1 ^ mix1(word(bytes, i)), 19) + h2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    h2 = (rotate(h2 ^ mix2(word(bytes, i + 4)), 17) + h3) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
    h3 = (rotate(h3 ^ mix3(word(bytes, i + 8)), 15) + h4) | 0;
    h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    h4 = (rotate(h4 ^ mix4(word(bytes, i + 12)), 13) + h1) | 0;
    h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
  }
  if (whole < length) {
    // Missing bytes count as 0, and a word of 0 mixes to 0: this is the original's tail.
    h1 ^= mix1(lastWord(bytes, whole));
    h2 ^= mix2(lastWord(bytes, whole + 4));
    h3 ^= mix3(lastWord(bytes, whole + 8));
    h4 ^= mix4(lastWord(bytes, whole + 12));
  }
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  return { a: h1, b: (h2 + h1) | 0, c: (h3 + h1) | 0, d: (h4 + h1) | 0 };
}

/** A sum of hashes, lane by lane: the same in every order. */
export class HashSum implements Hash128 {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  add(hash: Hash128): void {
    this.a = (this.a + hash.a) | 0;
    this.b = (this.b + hash.b) | 0;
    this.c = (this.c + hash.c) | 0;
    this.d = (this.d + hash.d) | 0;
  }

  /** Takes out what was added before. */
  subtract(hash: Hash128): void {
    this.a = (this.a - hash.a) | 0;
    this.b = (this.b - hash.b) | 0;
    this.c = (this.c - hash.c) | 0;
    this.d = (this.d - hash.d) | 0;
  }
}

/** 16 bytes, little-endian. */
export function bytesOfHash({ a, b, c, d }: Hash128): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, a, true);
  view.setInt32(4, b, true);
  view.setInt32(8, c, true);
  view.setInt32(12, d, true);
  return bytes;
}

const rotate = (n: number, by: number) => (n << by) | (n >>> (32 - by));
const mix1 = (n: number) => Math.imul(rotate(Math.imul(n, C1), 15), C2);
const mix2 = (n: number) => Math.imul(rotate(Math.imul(n, C2), 16), C3);
const mix3 = (n: number) => Math.imul(rotate(Math.imul(n, C3), 17), C4);
const mix4 = (n: number) => Math.imul(rotate(Math.imul(n, C4), 18), C1);

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** As `word`, but what is past the end is 0 (reading there would make the engine give up its fast path). */
function lastWord(bytes: Uint8Array, at: number): number {
  let n = 0;
  for (let i = Math.min(bytes.length, at + 4) - 1; i >= at; i--) n = (n << 8) | (bytes[i] ?? 0);
  return n;
}

function finish(n: number): number {
  let h = n ^ (n >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
