import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkValue,
  defaultOf,
  type Field,
  FieldError,
  float32,
  int,
  list,
  oneOf,
  quantized,
  text,
  uint,
} from "./fields.ts";

test("field builders refuse what cannot be packed, and say why", () => {
  assert.throws(() => uint(2 ** 32), /max must be an integer from 0 to 4294967295/);
  assert.throws(() => int(5, 4), /min ≤ max/);
  assert.throws(() => int(0, 2 ** 32), /max − min/);
  assert.throws(() => quantized({ min: 0, max: 1, step: 0 }), /step > 0/);
  assert.throws(() => quantized({ min: 0, max: 1e9, step: 1e-3 }), /more than 2\^32 − 1 steps/);
  assert.throws(() => oneOf("a", "a"), /twice/);
  assert.throws(() => text(0), /maxBytes/);
  assert.throws(() => list(list(list(list(uint(1), 1), 1), 1), 1), /at most 3 deep/);
  assert.throws(() => uint(5, { default: 6 }), /default/);
});

test("lists of items without bits are refused: three bytes would claim thousands of items", () => {
  for (const of of [uint(0), int(3, 3), oneOf("only")])
    assert.throws(() => list(of, 10), /more than one possible value/);
});

test("values are clamped, rounded and made well-formed where that is the rule", () => {
  const field = quantized({ min: -1, max: 1, step: 0.5 });
  assert.equal(checkValue(field, 7, "p"), 1);
  assert.equal(checkValue(field, Number.NEGATIVE_INFINITY, "p"), -1);
  assert.equal(checkValue(float32(), 0.1, "p"), Math.fround(0.1));
  assert.equal(checkValue(text(9), "a\uD83D", "p"), "a\uFFFD");
  assert.equal(checkValue(text(9), "a😀", "p"), "a😀");
});

test("values of another type or range are refused with their path", () => {
  const wrong: readonly (readonly [Field, unknown])[] = [
    [{ kind: "bool" }, 1],
    [uint(5), -1],
    [uint(5), 1.5],
    [int(-2, 2), 3],
    [quantized({ min: 0, max: 1, step: 1 }), Number.NaN],
    [oneOf("a"), "b"],
    [text(3), "äää"],
    [{ kind: "bytes", maxBytes: 1 }, new Uint8Array(2)],
    [{ kind: "ref" }, -1],
    [list(uint(1), 2), [0, 1, 0]],
  ];
  for (const [field, value] of wrong)
    assert.throws(
      () => checkValue(field, value, "here"),
      (error: unknown) => {
        assert.ok(error instanceof FieldError);
        assert.equal(error.path, "here");
        return true;
      },
    );
  assert.throws(() => checkValue(list(uint(1), 2), [0, 2], "here"), /here\[1\]/);
});

test("every field has a default that fits it", () => {
  const fields: Field[] = [
    { kind: "bool" },
    uint(5),
    int(3, 9),
    int(-9, -3),
    quantized({ min: 2, max: 3, step: 0.5 }),
    oneOf("x", "y"),
    float32(),
    { kind: "float64", default: 4 },
    text(3),
    { kind: "bytes", maxBytes: 3 },
    { kind: "ref" },
    list(uint(4), 3),
  ];
  for (const field of fields) checkValue(field, defaultOf(field), field.kind);
  assert.equal(defaultOf(int(3, 9)), 3);
  assert.equal(defaultOf({ kind: "float64", default: 4 }), 4);
});
