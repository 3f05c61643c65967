import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfHash, HashSum, hash128 } from "./murmur128.ts";

test("it is MurmurHash3_x86_128, by the check of SMHasher", () => {
  // Hashes of the keys {}, {0}, {0, 1}, …, each under another seed, hashed once more.
  const hashes = new Uint8Array(256 * 16);
  const key = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (let i = 0; i < 256; i++)
    hashes.set(bytesOfHash(hash128(key.subarray(0, i), 256 - i)), i * 16);
  const { a } = hash128(hashes);
  assert.equal((a >>> 0).toString(16), "b3ece62a");
});

test("a sum does not ask for the order, and taking one out leaves the rest", () => {
  const sumOf = (...bytes: number[]) => {
    const sum = new HashSum();
    for (const byte of bytes) sum.add(hash128(Uint8Array.of(byte)));
    return sum;
  };
  assert.deepEqual(sumOf(1, 2), sumOf(2, 1));
  assert.notDeepEqual(sumOf(1, 2), sumOf(1, 1));
  const sum = sumOf(1, 2, 3);
  sum.subtract(hash128(Uint8Array.of(2)));
  assert.deepEqual(bytesOfHash(sum), bytesOfHash(sumOf(3, 1)));
});
