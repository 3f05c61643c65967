import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { coloursWanted, harmless, LineSplitter, linePrefix } from "./log-lines.ts";

function split(chunks: readonly Uint8Array[], maxLength?: number): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), maxLength);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("only whole lines come out; what is left at the end is one", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.push(bytes("one\ntw"));
  assert.deepEqual(lines, ["one"]);
  splitter.push(bytes("o\r\n\n  \nthr"));
  assert.deepEqual(lines, ["one", "two"]);
  splitter.end();
  assert.deepEqual(lines, ["one", "two", "thr"]);
});

test("where chunks end does not matter, not even inside of a character", () => {
  const line = fc
    .string({ unit: "grapheme", maxLength: 20 })
    .map((text) => `x${text.replaceAll(/[\r\n]/g, "")}`);
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const all = bytes(lines.map((text) => `${text}\n`).join(""));
      const ends = [...new Set([...cuts.filter((cut) => cut < all.length), all.length])].sort(
        (a, b) => a - b,
      );
      const chunks = ends.map((end, index) => all.subarray(index === 0 ? 0 : ends[index - 1], end));
      assert.deepEqual(split(chunks), lines);
    }),
  );
});

test("a line without an end costs no more than its beginning", () => {
  const chunks = Array.from({ length: 1000 }, () => bytes("x".repeat(10)));
  assert.deepEqual(split([...chunks, bytes("\nnext\n")], 12), [
    `${"x".repeat(12)}… (9988 more characters)`,
    "next",
  ]);
});

test("what would move the cursor is taken out, colours stay if wanted", () => {
  const line =
    "\u001b[32mok\u001b[0m\u001b[2J\u001b[1;1H\u001b]0;title\u0007 \ttab\u0007\rend\u001b";
  assert.equal(harmless(line, true), "\u001b[32mok\u001b[0m \ttabend");
  assert.equal(harmless(line, false), "ok \ttabend");
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
      const control = [...harmless(text, false)].find((sign) => sign < " " && sign !== "	");
      assert.equal(control, undefined);
    }),
  );
});

test("prefixes have colours of their own on a terminal only", () => {
  assert.equal(linePrefix("gs-1", 0, false), "[gs-1] ");
  assert.equal(linePrefix("gs-1", 0, true), "\u001b[36m[gs-1]\u001b[0m ");
  assert.notEqual(linePrefix("gs-1", 0, true), linePrefix("gs-1", 1, true));
  assert.equal(coloursWanted(true, {}), true);
  assert.equal(coloursWanted(false, {}), false);
  assert.equal(coloursWanted(true, { NO_COLOR: "1" }), false);
  assert.equal(coloursWanted(true, { NO_COLOR: "" }), true);
});
