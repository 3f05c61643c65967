import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK_BYTES, FrameArena } from "./frame-arena.ts";

function arena() {
  let chunks = 0;
  const made = new FrameArena((bytes) => {
    chunks += 1;
    return new Uint8Array(bytes);
  });
  const take = (bytes: number) => {
    made.reserve(bytes);
    return made.take(made.offset + bytes);
  };
  return { made, take, chunks: () => chunks };
}

test("what nobody holds any more is written over, what came before the mark is not", () => {
  const { made, take } = arena();
  const before = take(100);
  made.mark();
  const first = take(200);
  made.rewind();
  const second = take(200);
  assert.equal(first.byteOffset, second.byteOffset);
  assert.equal(second.byteOffset, before.byteOffset + 100);
});

test("a batch that needed a new chunk goes on at its beginning; without rewind nothing is reused", () => {
  const { made, take, chunks } = arena();
  take(CHUNK_BYTES - 10);
  made.mark();
  take(5);
  const first = take(100);
  made.rewind();
  const second = take(100);
  assert.equal(first.buffer, second.buffer);
  assert.equal(second.byteOffset, 0);
  assert.equal(take(100).byteOffset, 100);
  assert.equal(chunks(), 2);
});
