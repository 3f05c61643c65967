import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOfText, textOfBytes } from "./byte-text.ts";

test("any bytes come back from their text, which has one character for each", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 32 }), (bytes) => {
      const text = textOfBytes(bytes);
      assert.equal(text.length, bytes.length);
      assert.deepEqual(bytesOfText(text), bytes);
    }),
  );
});
