import assert from "node:assert/strict";
import { test } from "node:test";
import { sendBuffers } from "./send-buffers.ts";

test("there is room for what was asked, and what was given back is used again", () => {
  for (const bytes of [1, 256, 257, 4096]) {
    const buffer = sendBuffers.take(bytes);
    assert.ok(buffer.length >= bytes, `${bytes} bytes`);
    sendBuffers.give(buffer);
    assert.equal(sendBuffers.take(bytes), buffer);
  }
});

test("two who hold a buffer do not hold the same bytes", () => {
  const held = [sendBuffers.take(10), sendBuffers.take(10), sendBuffers.take(4000)];
  for (const [i, buffer] of held.entries()) buffer.fill(i + 1);
  for (const [i, buffer] of held.entries()) assert.ok(buffer.every((byte) => byte === i + 1));
});

test("a large buffer is the owner's alone, and not kept", () => {
  const buffer = sendBuffers.take(100_000);
  assert.equal(buffer.length, 100_000);
  sendBuffers.give(buffer);
  assert.notEqual(sendBuffers.take(100_000), buffer);
});
