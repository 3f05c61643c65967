import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chained, EMPTY_CHAIN, hashMessage, hashText } from "./hash.ts";

/** FNV-1a by the book, with large integers. */
function byTheBook(bytes: readonly number[]): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return Number((hash & 0xfffffffffffffn) ^ (hash >> 52n));
}

test("a message's hash is FNV-1a of its index and bytes, folded to 52 bits", () => {
  fc.assert(
    fc.property(fc.nat(65_535), fc.uint8Array({ maxLength: 300 }), (index, payload) => {
      const hash = hashMessage(index, payload);
      assert.equal(hash, byTheBook([index & 0xff, index >>> 8, ...payload]));
      assert.ok(Number.isSafeInteger(hash) && hash < 2 ** 52);
    }),
  );
});

test("a chain tells order and number", () => {
  const [a, b] = [hashMessage(0, Uint8Array.of(1)), hashMessage(0, Uint8Array.of(2))];
  const ab = chained(chained(EMPTY_CHAIN, a), b);
  const ba = chained(chained(EMPTY_CHAIN, b), a);
  const aab = chained(chained(chained(EMPTY_CHAIN, a), a), b);
  assert.equal(new Set([ab, ba, aab, chained(EMPTY_CHAIN, a), EMPTY_CHAIN]).size, 5);
  assert.match(hashText(ab), /^[0-9a-f]{13}$/);
});
