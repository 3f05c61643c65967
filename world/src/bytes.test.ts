import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, DecodeError, hexOf } from "./bytes.ts";

const varints: readonly (readonly [number, string])[] = [
  [0, "00"],
  [1, "01"],
  [127, "7f"],
  [128, "8001"],
  [300, "ac02"],
  [16_384, "808001"],
  [2 ** 32, "8080808010"],
  [2 ** 53 - 1, "ffffffffffffff0f"],
];

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

test("varints have their golden bytes", () => {
  for (const [value, bytes] of varints) {
    const writer = new ByteWriter(1);
    writer.varint(value);
    assert.equal(hex(writer.finish()), bytes);
    assert.equal(new ByteReader(unhex(bytes)).varint(), value);
  }
});

test("varints that are too large or too long are refused", () => {
  for (const bytes of ["ffffffffffffff10", "8080808080808080", "ffffffffffffffff01", "80", ""])
    assert.throws(() => new ByteReader(unhex(bytes)).varint(), DecodeError, bytes);
});

test("any primitives come back in the order they were written", () => {
  const item = fc.oneof(
    fc.record({ kind: fc.constant("varint" as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("f64" as const), value: fc.double() }),
    fc.record({ kind: fc.constant("f32" as const), value: fc.float() }),
    fc.record({ kind: fc.constant("u8" as const), value: fc.nat(255) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat(2 ** 32 - 1) }),
    fc.record({ kind: fc.constant("text" as const), value: fc.string({ unit: "binary" }) }),
    fc.record({ kind: fc.constant("block" as const), value: fc.uint8Array() }),
  );
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const writer = new ByteWriter(1);
      for (const one of items) {
        if (one.kind === "text") writer.text(one.value);
        else if (one.kind === "block") writer.block(one.value);
        else writer[one.kind](one.value);
      }
      const reader = new ByteReader(new Uint8Array(0));
      reader.reset(writer.finish());
      for (const one of items) {
        const read =
          one.kind === "text"
            ? reader.text(1e6)
            : one.kind === "block"
              ? reader.block(1e6)
              : reader[one.kind]();
        assert.deepEqual(read, one.value);
      }
      reader.end();
    }),
  );
});

test("a text keeps a leading byte order mark", () => {
  const writer = new ByteWriter();
  writer.text("\uFEFFa");
  assert.equal(new ByteReader(writer.finish()).text(10), "\uFEFFa");
});

test("reads past the end, blocks above their bound and broken UTF-8 are refused", () => {
  assert.throws(() => new ByteReader(unhex("000000")).f32(), DecodeError);
  assert.throws(() => new ByteReader(unhex("05ff")).block(10), DecodeError);
  assert.throws(
    () => new ByteReader(unhex("050102030405")).block(4),
    /block of 5 bytes, at most 4/,
  );
  assert.throws(() => new ByteReader(unhex("0461626364")).text(3), /text of 4 bytes, at most 3/);
  assert.throws(() => new ByteReader(unhex("02c328")).text(10), /not UTF-8/);
  assert.throws(() => new ByteReader(unhex("00")).end(), /1 bytes too many/);
});

test("a reader of a part of a buffer stays in it", () => {
  const whole = unhex("0000000000000000f03f99");
  const reader = new ByteReader(whole.subarray(2, 10));
  assert.equal(reader.f64(), 1);
  assert.throws(() => reader.u8(), DecodeError);
});

test("bytes as text have two digits each, also those below 16", () => {
  assert.equal(hexOf(Uint8Array.of(0, 1, 15, 16, 171, 255)), "00010f10abff");
  assert.equal(hexOf(new Uint8Array()), "");
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.equal(hexOf(bytes), hex(bytes))));
});
