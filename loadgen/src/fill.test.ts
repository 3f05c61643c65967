import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import {
  ByteReader,
  ByteWriter,
  bool,
  bytes,
  compileStruct,
  type Field,
  float32,
  float64,
  int,
  list,
  oneOf,
  quantized,
  ref,
  text,
  uint,
} from "@atlasnet/world";
import { FilledStructs, fillStruct } from "./fill.ts";

const FIELDS: readonly (readonly [string, Field])[] = [
  ["bool", bool()],
  ["uint", uint(7)],
  ["wideUint", uint(2 ** 32 - 1)],
  ["zero", uint(0)],
  ["int", int(-3, 3)],
  ["wideInt", int(-(2 ** 31), 2 ** 31 - 1)],
  ["quantized", quantized({ min: -4, max: 4, step: 0.001 })],
  ["uneven", quantized({ min: 0, max: 1, step: 0.3 })],
  ["enum", oneOf("red", "blue")],
  ["float32", float32()],
  ["float64", float64()],
  ["text", text(5)],
  ["longText", text(1_000)],
  ["bytes", bytes(1)],
  ["longBytes", bytes(65_536)],
  ["ref", ref()],
  ["list", list(uint(9), 2)],
  ["deepList", list(list(list(text(3), 65_536), 65_536), 65_536)],
];

test("every kind of field is filled with what its world accepts, and it arrives as it was", () => {
  const codec = compileStruct(FIELDS);
  const random = new SeededRandom(1);
  for (let i = 0; i < 200; i++) {
    const value = fillStruct(FIELDS, random);
    const writer = new ByteWriter();
    codec.encode(writer, codec.check(value, "message"));
    const read = codec.decode(new ByteReader(writer.finish()));
    assert.ok(codec.same(value, read));
    assert.ok(writer.length < 1_500, `${writer.length} bytes`);
  }
});

test("values differ, and the whole of a range comes", () => {
  const random = new SeededRandom(2);
  const seen = new Set<unknown>();
  for (let i = 0; i < 200; i++) seen.add(fillStruct([["n", int(-3, 3)]], random)["n"]);
  assert.deepEqual(
    [...seen].map(Number).sort((a, b) => a - b),
    [-3, -2, -1, 0, 1, 2, 3],
  );
});

test("values made beforehand come round again; there is always one", () => {
  const values = new FilledStructs([["n", uint(1_000_000)]], 3, new SeededRandom(3));
  const [a, b, c] = [values.next(), values.next(), values.next()];
  assert.notDeepEqual(a, b);
  assert.notDeepEqual(b, c);
  assert.equal(values.next(), a);
  assert.deepEqual(new FilledStructs([], 0, new SeededRandom(4)).next(), {});
});
