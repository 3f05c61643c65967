/**
 * The hash of histories: FNV-1a of 64 bits, its upper 12 bits folded into the others by XOR. The 52 that are left fit
 * a number of JavaScript exactly, so they travel in JSON and in `float64` fields. It tells messages apart that got
 * mixed up; it is no protection against people who mean to deceive it.
 */
export type Hash = number;

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The prime is 2^40 + this. */
const PRIME_LOW = 0x1b3;
const TWO_32 = 2 ** 32;

/** The chain of no messages. */
export const EMPTY_CHAIN: Hash = 0;

/** Of a reliable message: which one of the definition it is (below 65,536), and its packed bytes. */
export function hashMessage(index: number, payload: Uint8Array): Hash {
  const state = new Fnv();
  state.byte(index & 0xff);
  state.byte(index >>> 8);
  for (const byte of payload) state.byte(byte);
  return state.folded;
}

/** Of messages one after the other: the chain of those before, and the next one. */
export function chained(chain: Hash, message: Hash): Hash {
  const state = new Fnv();
  state.number(chain);
  state.number(message);
  return state.folded;
}

/** For people: 13 digits. */
export function hashText(hash: Hash): string {
  return hash.toString(16).padStart(13, "0");
}

class Fnv {
  private high = OFFSET_HIGH;
  private low = OFFSET_LOW;

  byte(byte: number): void {
    const low = (this.low ^ byte) >>> 0;
    // Products stay below 2^42, which doubles hold exactly; `>>> 0` takes them modulo 2^32.
    const product = low * PRIME_LOW;
    this.high = (this.high * PRIME_LOW + Math.floor(product / TWO_32) + ((low << 8) >>> 0)) >>> 0;
    this.low = product >>> 0;
  }

  number(value: number): void {
    const high = Math.floor(value / TWO_32);
    const low = value >>> 0;
    for (let shift = 0; shift < 32; shift += 8) this.byte((low >>> shift) & 0xff);
    for (let shift = 0; shift < 24; shift += 8) this.byte((high >>> shift) & 0xff);
  }

  get folded(): Hash {
    return (this.high & 0xfffff) * TWO_32 + ((this.low ^ (this.high >>> 20)) >>> 0);
  }
}
