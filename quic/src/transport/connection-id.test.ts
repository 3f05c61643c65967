import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CONNECTION_ID_BYTES, destinationKey, isLongHeader, keyOf } from "./connection-id.ts";

const id = Buffer.from("\u0001\u00ff345678", "latin1");

describe("destinationKey", () => {
  it("finds our id in packets with short and long headers", () => {
    const short = Buffer.concat([Buffer.of(0x40), id, Buffer.alloc(20)]);
    assert.equal(destinationKey(short), keyOf(id));
    const long = Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 1, id.length), id, Buffer.alloc(20)]);
    assert.equal(destinationKey(long), keyOf(id));
    assert.ok(isLongHeader(long) && !isLongHeader(short));
  });

  it("says that a client's own id is of no connection", () => {
    for (const length of [0, 7, 9, 16, 20]) {
      const long = Buffer.concat([Buffer.of(0xc0, 0, 0, 0, 1, length), Buffer.alloc(40)]);
      assert.equal(destinationKey(long), "", String(length));
    }
  });

  it("refuses ids that are too long or not all there, and packets too short to be one", () => {
    assert.equal(destinationKey(Buffer.of(0xc0, 0, 0, 0, 1, 21, ...new Uint8Array(40))), undefined);
    assert.equal(destinationKey(Buffer.of(0xc0, 0, 0, 0, 1, 20, ...new Uint8Array(19))), undefined);
    assert.equal(destinationKey(Buffer.alloc(12, 0x40)), undefined);
    assert.equal(destinationKey(Buffer.alloc(0)), undefined);
  });

  it("never throws, and answers a key of our length, none, or that it is no packet", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const key = destinationKey(Buffer.from(bytes));
        assert.ok(key === undefined || key === "" || key.length === CONNECTION_ID_BYTES);
      }),
    );
  });
});
