export interface RandomState {
  a: number;
  b: number;
  c: number;
  counter: number;
}

export function copyRandom(from: RandomState, to: RandomState): void {
  to.a = from.a;
  to.b = from.b;
  to.c = from.c;
  to.counter = from.counter;
}

/**
 * The world's random numbers: sfc32 by Chris Doty-Humphrey (PractRand), 128 bits of state that are
 * part of the shard's state.
 */
export class WorldRandomState implements RandomState {
  a: number;
  b: number;
  c: number;
  counter: number;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 2 ** 32) >>> 0;
    this.c = 0x9e3779b9;
    this.counter = 1;
    // The generator needs a few rounds until a poor seed is spread over all of its state.
    for (let i = 0; i < 12; i++) this.next();
  }

  /** An unsigned 32-bit number. */
  next(): number {
    const result = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) >>> 0;
    this.a = (this.b ^ (this.b >>> 9)) >>> 0;
    this.b = (this.c + (this.c << 3)) >>> 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + result) >>> 0;
    return result >>> 0;
  }

  /** From 0 up to, not including, 1, in steps of 2^-53. */
  float(): number {
    return ((this.next() >>> 5) * 2 ** 26 + (this.next() >>> 6)) / 2 ** 53;
  }

  save(): [number, number, number, number] {
    return [this.a, this.b, this.c, this.counter];
  }

  load(state: readonly [number, number, number, number]): void {
    [this.a, this.b, this.c, this.counter] = state;
  }
}
