import assert from "node:assert/strict";
import { test } from "node:test";
import { BadFile } from "@atlasnet/core/system";
import fc from "fast-check";
import { encodeBody } from "./frame.ts";
import { decodeRecords, type LogRecord, recordBytes } from "./record.ts";

const number = fc.maxSafeNat();
const u32 = fc.nat(2 ** 32 - 1);
const records: fc.Arbitrary<LogRecord> = fc.oneof(
  fc.record({
    type: fc.constant("hard-state"),
    hardState: fc.record({ term: number, vote: fc.string({ unit: "binary", maxLength: 128 }) }),
  }),
  fc.record({ type: fc.constant("truncate"), from: number }),
  fc.record({
    type: fc.constant("checkpoint"),
    checkpoint: fc.record({ index: number, term: number, size: number, id: u32 }),
  }),
  fc.record({ type: fc.constant("drop-checkpoint"), id: u32 }),
  fc.record({
    type: fc.constant("entry"),
    entry: fc.record({
      term: number,
      index: number,
      type: fc.constantFrom("command", "no-op", "members"),
      data: fc.uint8Array({ maxLength: 300 }),
    }),
  }),
);

test("records come back as they were, and take the bytes they say", () => {
  fc.assert(
    fc.property(fc.array(records, { maxLength: 10 }), (list) => {
      const body = encodeBody(list);
      const length = list.reduce((sum, record) => sum + recordBytes(record), 0);
      assert.equal(body.length, length);
      const plain = decodeRecords(body).map((record) =>
        record.type === "entry"
          ? { ...record, entry: { ...record.entry, data: Uint8Array.from(record.entry.data) } }
          : record,
      );
      assert.deepEqual(plain, structuredClone(list));
    }),
  );
});

test("bytes that are no records are refused, and nothing else is thrown", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodeRecords(bytes);
      } catch (error) {
        assert.ok(error instanceof BadFile);
      }
    }),
  );
  assert.throws(() => decodeRecords(Buffer.from([99, ...new Uint8Array(20)])), /unknown type 99/);
  assert.throws(() => decodeRecords(Buffer.from([2, 1])), /ends beyond its frame/);
});
