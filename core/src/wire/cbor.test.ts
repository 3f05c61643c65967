import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeCbor, encodeCbor, wireInteger } from "./cbor.ts";
import { MAX_SCAN_DEPTH, scanCbor } from "./cbor-scan.ts";

const limits = { maxDepth: 16, maxItems: 1000 };
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function problemOf(hex: string, bounds = limits): string {
  const decoded = decodeCbor(bytesOf(hex), bounds);
  return decoded.ok ? `decoded ${JSON.stringify(decoded.value)}` : decoded.problem;
}

test("values are written as RFC 8949 has them", () => {
  // Appendix A of the RFC.
  const vectors: [unknown, string][] = [
    [0, "00"],
    [24, "1818"],
    [1000000, "1a000f4240"],
    [wireInteger(1000000000000), "1b000000e8d4a51000"],
    [-1, "20"],
    [-1000, "3903e7"],
    [1.1, "fb3ff199999999999a"],
    [false, "f4"],
    [null, "f6"],
    ["ü", "62c3bc"],
    [bytesOf("01020304"), "4401020304"],
    [[1, [2, 3]], "8201820203"],
    [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  ];
  for (const [value, hex] of vectors) assert.equal(hexOf(encodeCbor(value)), hex);
});

test("integers and floats of every width are read", () => {
  const read = (hex: string) => decodeCbor(bytesOf(hex), limits);
  const expected: [string, unknown][] = [
    ["1b000000e8d4a51000", 1000000000000],
    ["1b001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["3b001ffffffffffffe", Number.MIN_SAFE_INTEGER],
    ["3affffffff", -4294967296],
    ["f93c00", 1],
    ["fa47c35000", 100000],
    ["a0", {}],
    ["80", []],
  ];
  for (const [hex, value] of expected) {
    const decoded = read(hex);
    assert.ok(decoded.ok, hex);
    assert.deepEqual(decoded.value, value);
  }
});

test("what is outside of the plain subset is refused by name", () => {
  assert.equal(problemOf(""), "ends too early");
  assert.equal(problemOf("0000"), "1 bytes too many");
  assert.equal(problemOf("1b0020000000000000"), "an integer beyond 53 bits");
  assert.equal(problemOf("3b001fffffffffffff"), "an integer beyond 53 bits");
  assert.equal(problemOf("c11a514b67b0"), "a tag");
  assert.equal(problemOf("d9dfff8300"), "a tag");
  assert.equal(problemOf("9f01ff"), "an indefinite length");
  assert.equal(problemOf("5f4101ff"), "an indefinite length");
  assert.equal(problemOf("ff"), "an indefinite length");
  assert.equal(problemOf("1c"), "a reserved length form");
  assert.equal(problemOf("f7"), "a simple value other than false, true and null");
  assert.equal(problemOf("f8ff"), "a simple value other than false, true and null");
  assert.equal(problemOf("a10102"), "a map key that is not text");
  assert.equal(problemOf("a1616101 00"), "1 bytes too many");
  assert.equal(problemOf("a2616101"), "ends too early");
  assert.equal(problemOf("62c328"), "text is not UTF-8");
  assert.equal(problemOf("63eda080"), "text is not UTF-8");
});

test("claims of huge lengths are refused before anything is made of them", () => {
  for (const major of ["5", "7", "9", "b"]) {
    assert.equal(problemOf(`${major}a7fffffff 00`), "ends too early");
    assert.equal(problemOf(`${major}b7fffffffffffffff 00`), "ends too early");
    assert.equal(problemOf(`${major}bffffffffffffffff 00`), "ends too early");
  }
});

test("depth and item count are bounded", () => {
  assert.equal(problemOf(`${"81".repeat(17)}00`), "nested more than 16 deep");
  assert.equal(problemOf(`${"a16161".repeat(17)}00`), "nested more than 16 deep");
  assert.ok(decodeCbor(bytesOf(`${"81".repeat(16)}00`), limits).ok);
  assert.equal(
    problemOf("81".repeat(100_000), { maxDepth: 1e9, maxItems: 1e9 }),
    `nested more than ${MAX_SCAN_DEPTH} deep`,
  );
  const zeros = `9903e8${"00".repeat(1000)}`;
  assert.equal(problemOf(zeros), "more than 1000 values");
  assert.ok(decodeCbor(bytesOf(zeros), { maxDepth: 1, maxItems: 1001 }).ok);
});

test("keys of prototypes stay data", () => {
  const decoded = decodeCbor(bytesOf("a1695f5f70726f746f5f5fa1616101"), limits);
  assert.ok(decoded.ok);
  assert.equal(Object.getPrototypeOf(decoded.value), Object.prototype);
  assert.equal(JSON.stringify(decoded.value), '{"__proto_":{"a":1}}');
});

test("a Buffer decodes to plain byte arrays that are views", () => {
  const source = Buffer.from("4401020304", "hex");
  const decoded = decodeCbor(source, limits);
  assert.ok(decoded.ok && decoded.value instanceof Uint8Array);
  assert.equal(decoded.value.constructor, Uint8Array);
  source[1] = 9;
  assert.equal(decoded.value[0], 9);
});

test("any bytes give a value or a problem, and what was scanned is read", () => {
  const item = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc
      .tuple(
        fc.anything({ maxDepth: 3, withNullPrototype: false }).map((v) => JSON.stringify(v ?? 0)),
        fc.nat(200),
        fc.nat(255),
      )
      .map(([json, at, byte]) => {
        const bytes = encodeCbor(JSON.parse(json ?? "0")).slice();
        if (at < bytes.length) bytes[at] = byte;
        return bytes;
      }),
  );
  fc.assert(
    fc.property(item, (bytes) => {
      const scan = scanCbor(bytes, limits);
      const decoded = decodeCbor(bytes, limits);
      assert.equal(decoded.ok, scan.ok, "scan and decoder disagree");
    }),
    { numRuns: 1500 },
  );
});
