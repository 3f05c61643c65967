import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";
import { Encoder } from "cbor-x";
import fc from "fast-check";
import { type CborValue, readCbor, writeCbor } from "./cbor.ts";
import { decodeServerMessage } from "./messages.ts";

const other = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });

const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
    // cbor-x has no minus zero.
    fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
    fc.string({ unit: "binary" }),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), tie("value"), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  ),
}));

function written(item: CborValue): Uint8Array {
  const writer = new ByteWriter();
  writeCbor(writer, item);
  return writer.finish();
}

test("values come back, also by way of another implementation", () => {
  fc.assert(
    fc.property(value, (item) => {
      const bytes = written(item);
      const reader = new ByteReader(bytes);
      assert.deepEqual(readCbor(reader), item);
      reader.end();
      assert.deepEqual(readCbor(new ByteReader(new Uint8Array(other.encode(item)))), item);
      const decoded: unknown = other.decode(Buffer.from(bytes));
      assert.deepEqual(normal(decoded), normal(item));
    }),
  );
});

/** cbor-x gives Buffers and, from 2^53 on, BigInts. */
function normal(item: unknown): unknown {
  if (typeof item === "bigint") return Number(item);
  if (item instanceof Uint8Array) return [...item];
  if (Array.isArray(item)) return item.map(normal);
  if (typeof item !== "object" || item === null) return item;
  return Object.fromEntries(Object.entries(item).map(([key, one]) => [key, normal(one)]));
}

test("half, single and double floats are read", () => {
  const read = (hex: string) => readCbor(new ByteReader(new Uint8Array(Buffer.from(hex, "hex"))));
  assert.equal(read("f93c00"), 1);
  assert.equal(read("f97bff"), 65_504);
  assert.equal(read("f90001"), 2 ** -24);
  assert.equal(read("f9fc00"), Number.NEGATIVE_INFINITY);
  assert.equal(read("fa47c35000"), 100_000);
  assert.equal(read("fb3ff199999999999a"), 1.1);
});

test("what the protocol does not use is refused", () => {
  const refused = (hex: string) =>
    assert.throws(
      () => readCbor(new ByteReader(new Uint8Array(Buffer.from(hex, "hex")))),
      DecodeError,
      hex,
    );
  for (const hex of [
    "9f01ff", // indefinite length
    "c11a514b67b0", // a tag
    "a10102", // a key that is no text
    "a2616101616102", // a key twice
    "1bffffffffffffffff", // above 2^53
    "9b000fffffffffffff", // an array that is not there
    "5affffffff00", // bytes that are not there
    "f7", // undefined
    `${"81".repeat(17)}00`, // nested too deep
  ])
    refused(hex);
});

test("hostile bytes end in a DecodeError or in a message", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.array(value, { maxLength: 5 }).map((items) => written(items)),
        fc
          .tuple(fc.nat(10), fc.array(value, { maxLength: 4 }))
          .map(([n, rest]) => written([n, ...rest])),
      ),
      (bytes) => {
        try {
          decodeServerMessage(bytes);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
