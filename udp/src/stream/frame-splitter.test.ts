import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "@atlasnet/world";
import fc from "fast-check";
import { FrameSplitter } from "./frame-splitter.ts";

test("items come out as they went in, however the stream is cut", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(sizes, cuts, (lengths, pieces) => {
      const writer = new ByteWriter();
      for (const [i, length] of lengths.entries()) writer.block(new Uint8Array(length).fill(i + 1));
      const bytes = writer.finish();
      const seen: number[] = [];
      const splitter = new FrameSplitter(20_000, (item) => {
        assert.ok(item.every((byte) => byte === seen.length + 1));
        seen.push(item.length);
        return true;
      });
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const piece = bytes.slice(at, at + (pieces[i % pieces.length] ?? 1));
        assert.equal(splitter.push(piece), piece.length);
        piece.fill(0);
        at += piece.length;
      }
      assert.deepEqual(seen, lengths);
      assert.equal(splitter.problem, undefined);
    }),
  );
});

test("stops behind an item when the sink has enough", () => {
  const splitter = new FrameSplitter(100, () => false);
  assert.equal(splitter.push(Uint8Array.of(2, 7, 7, 1, 9)), 3);
  assert.equal(splitter.push(Uint8Array.of(1, 9)), 2);
});

test("lengths that are too large, empty or endless are problems", () => {
  const problemOf = (...bytes: number[]): string | undefined => {
    const splitter = new FrameSplitter(300, () => true);
    splitter.push(Uint8Array.from(bytes));
    return splitter.problem?.code;
  };
  assert.equal(problemOf(0xad, 0x02), "too-large");
  assert.equal(problemOf(0xac, 0x02), undefined);
  assert.equal(problemOf(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), "too-large");
  assert.equal(problemOf(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80), "bad-message");
  assert.equal(problemOf(0), "bad-message");
});
