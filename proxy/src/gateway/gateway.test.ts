import assert from "node:assert/strict";
import { test } from "node:test";
import { closeCodes } from "@atlasnet/world";
import fc from "fast-check";
import { type Framing, frame, frameHeadBytes, writeFrameHead } from "../session/framing.ts";
import { TokenBucket } from "../session/token-bucket.ts";
import { FrameSplitter } from "./framed/frame-splitter.ts";
import { LineSplitter } from "./lines/line-splitter.ts";
import { parseLine } from "./lines/parse-line.ts";
import { sniff } from "./sniff.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("sniff: tells protocols by their first bytes and asks for more only while it must", () => {
  const cases: readonly [Uint8Array, ReturnType<typeof sniff>][] = [
    [text(""), "more"],
    [Uint8Array.of(0xa7), "more"],
    [Uint8Array.of(0xa7, 0x4e, 0x45), "more"],
    [Uint8Array.of(0xa7, 0x4e, 0x45, 0x54), "framed"],
    [Uint8Array.of(0xa7, 0x4e, 0x45, 0x55), "lines"],
    [Uint8Array.of(0x16), "tls"],
    [text("G"), "more"],
    [text("GET"), "more"],
    [text("GET "), "http"],
    [text("GETS"), "lines"],
    [text("P"), "more"],
    [text("PI"), "lines"],
    [text("PRI "), "http"],
    [text("OPTIONS "), "http"],
    [text("\n"), "lines"],
    [text("SUB a/b"), "lines"],
  ];
  for (const [bytes, expected] of cases) assert.equal(sniff(bytes), expected, String(bytes));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 20 }), (bytes) => {
      assert.notEqual(sniff(bytes), "more");
    }),
  );
});

/** Cuts bytes at the given places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test("frames come out whole, however the stream is cut", () => {
  const items = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  fc.assert(
    fc.property(items, fc.array(fc.nat(3000), { maxLength: 20 }), (sent, cuts) => {
      const splitter = new FrameSplitter(300);
      const got: Uint8Array[] = [];
      const stream = Buffer.concat(sent.map((item) => frame("length", item)));
      for (const piece of pieces(stream, cuts))
        assert.equal(
          splitter.push(piece, (item) => got.push(new Uint8Array(item)) > 0),
          undefined,
        );
      assert.deepEqual(got, sent);
    }),
  );
});

test("frames: too long, no varint, and stopping in the middle", () => {
  const push = (bytes: Uint8Array) => new FrameSplitter(100).push(bytes, () => true);
  assert.equal(push(Uint8Array.of(101)), "too-large");
  // However large: 2^40, and 2^32 + 1, of which 32 bits are a length that would do.
  assert.equal(push(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x20)), "too-large");
  assert.equal(push(Uint8Array.of(0x81, 0x80, 0x80, 0x80, 0x10)), "too-large");
  assert.equal(push(new Uint8Array(8).fill(0x80)), "bad-message");
  assert.equal(push(Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0, 7, 8)), undefined);
  const got: number[] = [];
  new FrameSplitter(100).push(Uint8Array.of(1, 7, 1, 8), (item) => {
    got.push(item[0] ?? 0);
    return false;
  });
  assert.deepEqual(got, [7]);
});

test("lines come out whole, however the stream is cut; CR is dropped", () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z é]{0,40}$/), { maxLength: 8 }),
      fc.array(fc.nat(500), { maxLength: 20 }),
      fc.boolean(),
      (sent, cuts, cr) => {
        const splitter = new LineSplitter(100);
        const got: string[] = [];
        const stream = text(sent.map((line) => `${line}${cr ? "\r\n" : "\n"}`).join(""));
        for (const piece of pieces(stream, cuts)) {
          splitter.push(piece);
          for (let line = splitter.next(); line !== undefined; line = splitter.next()) {
            assert.notEqual(line, "too-large");
            if (line !== "too-large") got.push(new TextDecoder().decode(line));
          }
        }
        assert.deepEqual(got, sent);
      },
    ),
  );
  const long = new LineSplitter(3);
  long.push(text("abcd"));
  assert.equal(long.next(), "too-large");
});

test("lines are parsed as the protocol says", () => {
  assert.deepEqual(parseLine("PING"), { type: "ping" });
  assert.deepEqual(parseLine("ping"), { type: "other" });
  assert.deepEqual(parseLine("SUB a/cell/1,2"), { type: "sub", world: "a", topic: "cell/1,2" });
  assert.deepEqual(parseLine("UNSUB a/b "), { type: "unsub", world: "a", topic: "b" });
  for (const line of ["SUB", "SUB a", "SUB /b", "SUB a/"]) {
    const parsed = parseLine(line);
    assert.ok(parsed.type === "refused" && closeCodes[parsed.code].code === 4024, line);
  }
});

test("frame heads fit every length on both transports", () => {
  const cases: readonly [Framing, number, string][] = [
    ["websocket", 0, "8200"],
    ["websocket", 125, "827d"],
    ["websocket", 126, "827e007e"],
    ["websocket", 65_535, "827effff"],
    ["websocket", 65_536, "827f0000000000010000"],
    ["length", 127, "7f"],
    ["length", 128, "8001"],
    ["length", 65_536, "808004"],
  ];
  for (const [framing, length, expected] of cases) {
    const target = new Uint8Array(16);
    const end = writeFrameHead(target, 2, framing, length);
    assert.equal(Buffer.from(target.subarray(2, end)).toString("hex"), expected);
    assert.equal(end - 2, frameHeadBytes(framing, length));
  }
});

test("a bucket gives its burst at once and then its rate", () => {
  const bucket = new TokenBucket(10, 20, 0);
  assert.equal(bucket.take(20, 0), true);
  assert.equal(bucket.take(1, 99), false);
  assert.equal(bucket.take(1, 100), true);
  assert.equal(bucket.take(20, 1_000_000), true);
  assert.equal(bucket.take(1, 1_000_000), false);
});
