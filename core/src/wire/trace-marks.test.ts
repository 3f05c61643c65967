import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError } from "@atlasnet/world";
import fc from "fast-check";
import { MAX_TRACE_BYTES } from "./link-codec.ts";
import {
  decodeTraceMarks,
  encodeTraceMarks,
  MAX_TRACE_MARKS,
  type TraceMark,
} from "./trace-marks.ts";

const id = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter((raw) => raw.some((byte) => byte !== 0))
    .map((raw) => Buffer.from(raw).toString("hex"));
const mark: fc.Arbitrary<TraceMark> = fc.record(
  { attach: fc.maxSafeNat(), n: fc.maxSafeNat(), traceId: id(16), spanId: id(8) },
  { noNullPrototype: true },
);

const sample: TraceMark = {
  attach: 3,
  n: 300,
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
};

test("marks come back as they were", () => {
  fc.assert(
    fc.property(fc.array(mark, { minLength: 1, maxLength: MAX_TRACE_MARKS }), (marks) => {
      assert.deepEqual(decodeTraceMarks(encodeTraceMarks(marks)), marks);
    }),
  );
});

test("the bytes of a mark", () => {
  assert.equal(
    Buffer.from(encodeTraceMarks([sample])).toString("hex"),
    "03ac020af7651916cd43dd8448eb211c80319cb7ad6b7169203331",
  );
});

test("the most marks with the longest numbers fit into the field", () => {
  const n = Number.MAX_SAFE_INTEGER;
  const marks = Array.from({ length: MAX_TRACE_MARKS }, () => ({ ...sample, attach: n, n }));
  assert.equal(encodeTraceMarks(marks).length, 640);
  assert.ok(640 <= MAX_TRACE_BYTES);
});

test("any bytes are marks or a DecodeError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: MAX_TRACE_BYTES }), (bytes) => {
      try {
        const marks = decodeTraceMarks(bytes);
        assert.ok(marks.length >= 1 && marks.length <= MAX_TRACE_MARKS);
      } catch (error) {
        assert.ok(error instanceof DecodeError);
      }
    }),
  );
});

test("no marks, cut marks, one too many and ids of 0 are refused", () => {
  const one = encodeTraceMarks([sample]);
  const refused = [
    new Uint8Array(0),
    one.subarray(0, -1),
    Buffer.concat(Array.from({ length: MAX_TRACE_MARKS + 1 }, () => one)),
    Uint8Array.from([1, 1, ...new Uint8Array(16), ...new Uint8Array(8).fill(1)]),
    Uint8Array.from([1, 1, ...new Uint8Array(16).fill(1), ...new Uint8Array(8)]),
  ];
  for (const bytes of refused) assert.throws(() => decodeTraceMarks(bytes), DecodeError);
});

test("what is not of its form is not written", () => {
  const broken = [
    [],
    Array.from({ length: MAX_TRACE_MARKS + 1 }, () => sample),
    [{ ...sample, traceId: "0".repeat(32) }],
    [{ ...sample, traceId: "x".repeat(32) }],
    [{ ...sample, spanId: "abc" }],
  ];
  for (const marks of broken) assert.throws(() => encodeTraceMarks(marks), RangeError);
});
