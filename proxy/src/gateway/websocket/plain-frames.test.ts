import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PlainFrames } from "./plain-frames.ts";

interface Frame {
  first: number;
  payload: Uint8Array;
  masked: boolean;
}

function encode({ first, payload, masked }: Frame): Uint8Array {
  const { length } = payload;
  const bit = masked ? 0x80 : 0;
  const size =
    length < 126
      ? [bit | length]
      : length < 65_536
        ? [bit | 126, length >> 8, length & 255]
        : [bit | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
  const mask = masked ? [1, 2, 3, 4] : [];
  const body = payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  return Uint8Array.from([first, ...size, ...mask, ...body]);
}

/** What comes out of a stream cut into pieces: payloads of plain frames, and bytes of the others. */
function read(bytes: Uint8Array, cuts: readonly number[]): (string | number)[] {
  const seen: (string | number)[] = [];
  const frames = new PlainFrames({
    message: (payload) => seen.push(`plain ${Buffer.from(payload).toString("hex")}`),
    other: (part) => seen.push(...part),
  });
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  edges.sort((a, b) => a - b);
  edges.forEach((edge, i) => {
    // A copy, because frames are unmasked in place.
    if (i > 0) frames.read(new Uint8Array(bytes.subarray(edges[i - 1], edge)));
  });
  return seen;
}

const payload = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  fc.uint8Array({ minLength: 124, maxLength: 128 }),
  fc.constant(new Uint8Array(70_000)),
);
const PING = 0x89;
const CLOSE = 0x88;
const frame: fc.Arbitrary<Frame> = fc.record({
  first: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0x82) },
    // Binary and text, whole and in fragments; a ping; a reserved bit.
    fc.constantFrom(0x81, 0x02, 0x00, 0x80, PING, 0xc2),
  ),
  payload,
  masked: fc.boolean(),
});

test("every frame comes out once, in order, however the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (frames, cuts) => {
        let inFragments = false;
        const expected = frames.flatMap((f): (string | number)[] => {
          const plain = f.first === 0x82 && f.masked && f.payload.length < 126 && !inFragments;
          if (plain) return [`plain ${Buffer.from(f.payload).toString("hex")}`];
          if (f.first !== PING) inFragments = f.first < 0x80;
          return [...encode(f)];
        });
        const bytes = Buffer.concat(frames.map(encode));
        assert.deepEqual(read(bytes, cuts), expected);
      },
    ),
    { numRuns: 60 },
  );
});

test("after a close frame nothing is read", () => {
  const close = encode({ first: CLOSE, payload: Uint8Array.of(3, 232), masked: true });
  const plain = encode({ first: 0x82, payload: Uint8Array.of(7), masked: true });
  const bytes = Buffer.concat([plain, close, plain, close]);
  const expected = ["plain 07", ...close];
  assert.deepEqual(read(bytes, []), expected);
  assert.deepEqual(read(bytes, [1, 5, 8, 9, 12, 16, 20]), expected);
});

test("any bytes at all do no harm", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 5 }), (b, c) => {
      const seen = read(b, c);
      assert.ok(seen.length <= b.length);
    }),
  );
});
