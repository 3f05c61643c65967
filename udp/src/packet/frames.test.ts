import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, DecodeError } from "@atlasnet/world";
import fc from "fast-check";
import { MAX_ACK_RANGES } from "../limits.ts";
import { RangeSet } from "../recovery/range-set.ts";
import { openKeys } from "../testing/open-keys.ts";
import { AckFrame, writeAck } from "./frames.ts";
import { PacketArena } from "./packet-arena.ts";
import { PacketWriter } from "./packet-writer.ts";

/** The frame as it goes over the wire, without its type. */
function ackBytes(received: RangeSet, delayMs: number): Uint8Array {
  const writer = new PacketWriter(new PacketArena());
  writer.begin(0, undefined);
  writeAck(writer, received, delayMs);
  return openKeys.open(0, writer.end(0, openKeys), 3);
}

test("an ack is read as it was written", () => {
  const lengths = fc.array(fc.tuple(fc.nat(5000), fc.nat(5000)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(lengths, fc.nat(2 ** 40), fc.nat(60_000), (steps, base, delay) => {
      const received = new RangeSet();
      let at = base;
      for (const [gap, length] of steps) {
        received.add(at + gap + 1, at + gap + 2 + length);
        at += gap + 2 + length;
      }
      const frame = new AckFrame();
      const reader = new ByteReader(ackBytes(received, delay / 10));
      frame.read(reader);
      reader.end();
      assert.equal(frame.delayMs, delay / 10);
      const told = Math.min(received.count, MAX_ACK_RANGES);
      assert.equal(frame.ranges.length, 2 * told);
      for (let i = 0; i < told; i++) {
        const from = received.count - 1 - i;
        assert.equal(frame.ranges[2 * i], received.endAt(from) - 1);
        assert.equal(frame.ranges[2 * i + 1], received.startAt(from));
        assert.ok(frame.has(received.startAt(from)));
        assert.ok(!frame.has(received.startAt(from) - 1));
      }
    }),
  );
});

test("acks of negative numbers and of too many ranges are refused", () => {
  const read = (...bytes: number[]) => new AckFrame().read(new ByteReader(Uint8Array.from(bytes)));
  assert.throws(() => read(5, 0, 6, 0), DecodeError);
  assert.throws(() => read(5, 0, 1, 1, 3, 0), DecodeError);
  assert.throws(() => read(5, 0, 1, 1, 0, 3), DecodeError);
  assert.throws(() => read(200, 0, 0, 33), DecodeError);
  assert.throws(() => read(5, 0), DecodeError);
  assert.doesNotThrow(() => read(5, 0, 1, 1, 0, 2));
});
