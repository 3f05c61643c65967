import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, DecodeError } from "./bytes.ts";
import { compileStruct, type FieldList } from "./codec.ts";
import { checkValue, type Field, quantizedSteps } from "./fields.ts";

/** A field together with values that fit it. */
const scalar: fc.Arbitrary<{ field: Field; value: fc.Arbitrary<unknown> }> = fc.oneof(
  fc.constant({ field: { kind: "bool" } as const, value: fc.boolean() }),
  fc.nat(2 ** 32 - 1).map((max) => ({ field: { kind: "uint", max } as const, value: fc.nat(max) })),
  fc
    .tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.nat(2 ** 31))
    .map(([min, range]) => ({
      field: { kind: "int", min, max: min + range } as const,
      value: fc.integer({ min, max: min + range }),
    })),
  fc
    .tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 1, max: 4000 }), fc.nat(8))
    .map(([min, range, power]) => {
      const field = { kind: "quantized", min, max: min + range, step: 2 ** -power } as const;
      return { field, value: fc.nat(quantizedSteps(field)).map((n) => min + n * field.step) };
    }),
  fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 20 }).map((values) => ({
    field: { kind: "enum", values } as const,
    value: fc.constantFrom(...values),
  })),
  fc.constant({ field: { kind: "float32" } as const, value: fc.float() }),
  fc.constant({ field: { kind: "float64" } as const, value: fc.double() }),
  fc.constant({
    field: { kind: "text", maxBytes: 400 } as const,
    value: fc.string({ unit: "binary", maxLength: 99 }),
  }),
  fc.constant({
    field: { kind: "bytes", maxBytes: 99 } as const,
    value: fc.uint8Array({ maxLength: 99 }),
  }),
  fc.constant({ field: { kind: "ref" } as const, value: fc.maxSafeNat() }),
);

const anyField = fc.oneof(
  { weight: 4, arbitrary: scalar },
  {
    weight: 1,
    arbitrary: scalar.map(({ field, value }) => ({
      field: { kind: "list", of: field, maxLength: 5 } as const,
      value: fc.array(value, { maxLength: 5 }),
    })),
  },
);

const struct = fc.array(anyField, { maxLength: 8 }).chain((items) =>
  fc.record({
    fields: fc.constant(items.map(({ field }, i): [string, Field] => [`f${i}`, field])),
    values: fc.tuple(...items.map(({ value }) => value)),
    others: fc.tuple(...items.map(({ value }) => value)),
  }),
);

const structOf = (fields: FieldList, values: readonly unknown[]) =>
  Object.fromEntries(fields.map(([name], i) => [name, values[i]]));

for (const exact of [false, true])
  test(`${exact ? "exact" : "packed"} structs come back as they were`, () => {
    fc.assert(
      fc.property(struct, ({ fields, values, others }) => {
        const codec = compileStruct(fields, { exact });
        const value = codec.check(structOf(fields, values), "v");
        const writer = new ByteWriter(1);
        codec.encode(writer, value);
        const reader = new ByteReader(writer.finish());
        assert.deepEqual(codec.decode(reader), value);
        reader.end();

        const target = codec.check(structOf(fields, others), "v");
        codec.decodeInto(new ByteReader(writer.finish()), target);
        assert.deepEqual(target, value);
      }),
    );
  });

test("same says whether the bytes are the same", () => {
  fc.assert(
    fc.property(struct, ({ fields, values, others }) => {
      const codec = compileStruct(fields);
      const bytesOf = (list: readonly unknown[]) => {
        const writer = new ByteWriter();
        codec.encode(writer, codec.check(structOf(fields, list), "v"));
        return Buffer.from(writer.finish()).toString("hex");
      };
      const [a, b] = [structOf(fields, values), structOf(fields, others)];
      assert.equal(codec.same(a, a), true);
      // NaN has many forms in memory, one on the wire.
      assert.equal(codec.same(a, b), bytesOf(values) === bytesOf(others));
    }),
  );
});

test("zero and minus zero are two floats", () => {
  const codec = compileStruct([["f", { kind: "float64" }]]);
  assert.equal(codec.same({ f: 0 }, { f: -0 }), false);
});

test("hostile bytes end in a DecodeError or in values of the fields' ranges", () => {
  fc.assert(
    fc.property(struct, fc.uint8Array({ maxLength: 64 }), ({ fields }, bytes) => {
      const codec = compileStruct(fields);
      let value: { [name: string]: unknown };
      try {
        value = codec.decode(new ByteReader(bytes));
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
        return;
      }
      for (const [name, field] of fields) checkValue(field, value[name], name);
    }),
    { numRuns: 500 },
  );
});

test("a struct has its golden bytes: bits first, then bytes", () => {
  const codec = compileStruct([
    ["name", { kind: "text", maxBytes: 16 }],
    ["alive", { kind: "bool" }],
    ["hp", { kind: "uint", max: 100 }],
    ["team", { kind: "enum", values: ["red", "green", "blue"] }],
    ["x", { kind: "quantized", min: 0, max: 1000, step: 1 / 16 }],
    ["target", { kind: "ref" }],
  ]);
  const writer = new ByteWriter();
  codec.encode(writer, { name: "Ada", alive: true, hp: 73, team: "blue", x: 12.5, target: 300 });
  // bits: alive 1, hp 73 (7 bits), team 2 (2 bits), x 200 (14 bits) = 24 bits; then the bytes.
  assert.equal(Buffer.from(writer.finish()).toString("hex"), "932203" + "03416461" + "ac02");
});

test("bits of 32 width, zero width and padding", () => {
  const wide = compileStruct([
    ["b", { kind: "bool" }],
    ["n", { kind: "uint", max: 2 ** 32 - 1 }],
    ["only", { kind: "uint", max: 0 }],
  ]);
  const writer = new ByteWriter();
  wide.encode(writer, { b: true, n: 0xdeadbeef, only: 0 });
  assert.equal(writer.length, 5);
  assert.deepEqual(wide.decode(new ByteReader(writer.finish())), {
    b: true,
    n: 0xdeadbeef,
    only: 0,
  });
  const bit = compileStruct([["b", { kind: "bool" }]]);
  assert.throws(() => bit.decode(new ByteReader(Uint8Array.of(3))), /padding bits/);
  const range = compileStruct([["n", { kind: "uint", max: 5 }]]);
  assert.throws(() => range.decode(new ByteReader(Uint8Array.of(6))), /n is out of its range/);
});

test("check fills in defaults and names what does not belong", () => {
  const codec = compileStruct([
    ["hp", { kind: "uint", max: 9, default: 5 }],
    ["name", { kind: "text", maxBytes: 4 }],
  ]);
  assert.deepEqual(codec.check({}, "player"), { hp: 5, name: "" });
  assert.throws(() => codec.check({ hp: 10 }, "player"), /player\.hp: expected an integer/);
  assert.throws(() => codec.check({ mana: 1 }, "player"), /no field "mana".*hp, name/);
});
