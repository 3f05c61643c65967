import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Arena, MIN_ROOM_BYTES, SLAB_BYTES } from "./arena.ts";

describe("Arena", () => {
  it("never writes over bytes it handed out, and always has room for a datagram", () => {
    const count = fc.integer({ min: 0, max: MIN_ROOM_BYTES });
    fc.assert(
      fc.property(fc.array(count, { maxLength: 60 }), (counts) => {
        const arena = new Arena();
        const taken = counts.map((bytes, index) => {
          assert.ok(arena.room().length >= MIN_ROOM_BYTES);
          arena.room().fill(index, 0, bytes);
          return arena.take(bytes);
        });
        taken.forEach((bytes, index) => {
          assert.ok(bytes.length === counts[index] && bytes.every((byte) => byte === index));
        });
      }),
      { numRuns: 30 },
    );
  });

  it("hands out from one slab until it is used up", () => {
    const arena = new Arena();
    const first = arena.take(10);
    const second = arena.take(10);
    assert.equal(second.buffer, first.buffer);
    assert.equal(second.byteOffset, 10);
    arena.take(SLAB_BYTES - 20 - MIN_ROOM_BYTES + 1);
    assert.notEqual(arena.take(1).buffer, first.buffer);
  });
});
