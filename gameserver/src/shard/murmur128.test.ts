import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfHash, hash128, minus, plus, ZERO_HASH } from "./murmur128.ts";

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
  const [x, y] = [hash128(Uint8Array.of(1)), hash128(Uint8Array.of(2))];
  assert.deepEqual(plus(x, y), plus(y, x));
  assert.notDeepEqual(plus(x, y), plus(x, x));
  assert.deepEqual(minus(plus(x, y), x), y);
  assert.deepEqual(plus(x, ZERO_HASH), x);
  assert.equal(bytesOfHash(plus(x, y)).length, 16);
});
