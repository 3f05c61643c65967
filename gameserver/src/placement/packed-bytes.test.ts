import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packBytes, unpackBytes } from "./packed-bytes.ts";

test("bytes come back as they were, a letter for each, and of more than one call", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(3), (piece, more) => {
      const bytes = new Uint8Array(piece.length + more * 3_000).fill(255);
      bytes.set(piece);
      const packed = packBytes(bytes);
      assert.equal(packed.length, bytes.length);
      assert.deepEqual(unpackBytes(packed), bytes);
    }),
  );
});
