import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clipText, textBytes } from "./text.ts";

test("short texts stay, long ones end in an ellipsis", () => {
  assert.equal(clipText("hello", 5), "hello");
  assert.equal(clipText("hello world", 8), "hello…");
  assert.equal(clipText("ääää", 8), "ääää");
  assert.equal(clipText("äääää", 8), "ää…");
});

test("a clipped text fits and has no broken character", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.integer({ min: 3, max: 60 }),
      (text, max) => {
        const clipped = clipText(text, max);
        assert.ok(textBytes(clipped) <= max);
        assert.ok(!clipped.includes("\ufffd"));
        if (textBytes(text) <= max) assert.equal(clipped, text);
      },
    ),
  );
});

test("texts are as many bytes as an encoder makes of them", () => {
  const units = fc.oneof(
    fc.constantFrom(
      "a",
      "\u007f",
      "\u0080",
      "ß",
      "\u07ff",
      "\u0800",
      "世",
      "\uffff",
      "🚀",
      "\ud800",
      "\udfff",
    ),
    fc.string({ maxLength: 40 }),
  );
  fc.assert(
    fc.property(fc.array(units, { maxLength: 80 }), (parts) => {
      const text = parts.join("");
      assert.equal(textBytes(text), new TextEncoder().encode(text).length);
    }),
  );
});
