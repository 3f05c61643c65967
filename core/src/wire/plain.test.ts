import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import type { Plain } from "@atlasnet/world";
import fc from "fast-check";
import { encodeCbor } from "./cbor.ts";
import { decodePlain, encodePlain, MAX_PLAIN_BYTES, plainProblem, toPlain } from "./plain.ts";

const arbitraryPlain: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

test("a value comes back as toPlain gives it", () => {
  fc.assert(
    fc.property(arbitraryPlain, (value) => {
      const decoded = decodePlain(encodePlain(value));
      assert.ok(decoded.ok);
      assert.deepStrictEqual(decoded.value, toPlain(value));
    }),
  );
});

test("copies are frozen and apart from what they were made of", () => {
  const bytes = new Uint8Array([1, 2]);
  const source = { list: [{ a: 1 }], bytes, gone: undefined, zero: -0 };
  const plain = toPlain(source);
  bytes[0] = 9;
  source.list.push({ a: 2 });
  assert.deepStrictEqual(plain, { list: [{ a: 1 }], bytes: new Uint8Array([1, 2]), zero: 0 });
  assert.ok(Object.isFrozen(plain));
});

test("values of another realm are taken", () => {
  const foreign: unknown = runInNewContext(
    "({ list: [1, { a: 'x' }], bytes: new Uint8Array([7]) })",
  );
  const decoded = decodePlain(encodeCbor(toPlain(foreign)));
  assert.ok(decoded.ok);
  assert.deepStrictEqual(decoded.value, { list: [1, { a: "x" }], bytes: new Uint8Array([7]) });
});

test("what cannot be kept is named with its place", () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const cases: [unknown, RegExp][] = [
    [{ a: [1, () => 1] }, /^value\.a\[1\]: a function cannot be kept$/],
    [[undefined], /^value\[0\]: a undefined cannot be kept$/],
    [1n, /a bigint/],
    [Symbol("x"), /a symbol/],
    [{ a: Number.NaN }, /^value\.a: NaN cannot be kept$/],
    [new Date(0), /only plain objects/],
    [new Map(), /only plain objects/],
    [new (class Point {})(), /only plain objects/],
    [new Uint16Array(1), /only plain objects/],
    [cyclic, /nested more than 16 deep/],
    ["\ud800", /half a surrogate/],
    [JSON.parse('{"__proto__": 1}'), /__proto__/],
    ["x".repeat(MAX_PLAIN_BYTES), /more than 65536 bytes/],
    [new Array(70_000).fill(0), /more than 65536 bytes/],
  ];
  for (const [value, problem] of cases) assert.match(plainProblem(value) ?? "fine", problem);
});

test("the bound is exact in bytes", () => {
  fc.assert(
    fc.property(arbitraryPlain, (value) => {
      const size = encodePlain(value).length;
      assert.equal(plainProblem(value, size), undefined);
      assert.notEqual(plainProblem(value, size - 1), undefined);
    }),
  );
});

test("bytes from anywhere never throw", () => {
  fc.assert(
    fc.property(arbitraryPlain, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = encodePlain(value);
      bytes[at % bytes.length] = byte;
      const decoded = decodePlain(bytes);
      if (decoded.ok) assert.ok(encodePlain(decoded.value).length <= MAX_PLAIN_BYTES);
      else assert.equal(decoded.code, "bad-message");
    }),
    { numRuns: 500 },
  );
  const long = decodePlain(new Uint8Array(MAX_PLAIN_BYTES + 1));
  assert.ok(!long.ok && /at most 65536/.test(long.problem));
});
