import { intFrom, type Random } from "../ports/random.ts";

/**
 * Random numbers from a seed (xoshiro128**): the same seed gives the same numbers on every machine.
 * `bytes` is not secret; it stands in for the secure port in simulations.
 */
export class SeededRandom implements Random {
  private readonly state = new Uint32Array(4);

  constructor(seed: number | string) {
    // Splitmix spreads the seed, so that 1 and 2 do not begin alike.
    let mixed = hashSeed(String(seed));
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = mixed;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.state[i] = z ^ (z >>> 15);
    }
  }

  uint32(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.state;
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const third = c ^ a;
    const fourth = d ^ b;
    this.state[0] = a ^ fourth;
    this.state[1] = b ^ third;
    this.state[2] = third ^ (b << 9);
    this.state[3] = rotate(fourth, 11);
    return result;
  }

  float(): number {
    return (this.uint32() * 2 ** 21 + (this.uint32() >>> 11)) / 2 ** 53;
  }

  int(min: number, max: number): number {
    return intFrom(this.float(), min, max);
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.uint32() >>> 24;
    return bytes;
  }

  /** An independent generator: drawing from it does not change what this one gives. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.uint32()}/${label}`);
  }
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** FNV-1a over UTF-16 units. */
function hashSeed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
