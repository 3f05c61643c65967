import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "@atlasnet/world";
import { MAX_ACK_RANGES } from "../limits.ts";
import { AckFrame, FRAME_ACK } from "../packet/frames.ts";
import { PacketArena } from "../packet/packet-arena.ts";
import { PacketWriter } from "../packet/packet-writer.ts";
import { openKeys } from "../testing/open-keys.ts";
import { Acknowledger } from "./acknowledger.ts";

/** What the next ack says. */
function told(
  acknowledger: Acknowledger,
  now: number,
): { ranges: readonly number[]; delayMs: number } {
  const writer = new PacketWriter(new PacketArena());
  writer.begin(0, undefined);
  acknowledger.write(writer, now);
  const plain = openKeys.open(0, writer.end(0, openKeys), 2);
  const reader = new ByteReader(plain);
  assert.equal(reader.u8(), FRAME_ACK);
  const frame = new AckFrame();
  frame.read(reader);
  reader.end();
  return { ranges: frame.ranges, delayMs: frame.delayMs };
}

test("waits for the ack delay, or for four packets that ask", () => {
  const acknowledger = new Acknowledger(25);
  acknowledger.took(0, false, 100);
  assert.equal(acknowledger.dueAt, Number.POSITIVE_INFINITY);
  acknowledger.took(1, true, 101);
  assert.equal(acknowledger.dueAt, 126);
  acknowledger.took(2, true, 102);
  acknowledger.took(3, true, 103);
  assert.equal(acknowledger.dueAt, 126);
  acknowledger.took(4, true, 104);
  assert.equal(acknowledger.dueAt, 104);
  assert.deepEqual(told(acknowledger, 110), { ranges: [4, 0], delayMs: 6 });
  assert.equal(acknowledger.dueAt, Number.POSITIVE_INFINITY);
  assert.equal(acknowledger.waiting, false);
});

test("tells of gaps and of what comes out of order at once", () => {
  const acknowledger = new Acknowledger(25);
  acknowledger.took(0, true, 100);
  acknowledger.took(2, true, 101);
  assert.equal(acknowledger.dueAt, 101);
  assert.deepEqual(told(acknowledger, 101).ranges, [2, 2, 0, 0]);
  acknowledger.took(3, true, 102);
  assert.equal(acknowledger.dueAt, 127);
  acknowledger.took(1, true, 103);
  assert.equal(acknowledger.dueAt, 103);
  assert.deepEqual(told(acknowledger, 105), { ranges: [3, 0], delayMs: 3 });
});

test("tells the highest ranges only, and none that the peer knows of", () => {
  const acknowledger = new Acknowledger(25);
  for (let i = 0; i < 40; i++) acknowledger.took(3 * i, true, 100);
  const { ranges } = told(acknowledger, 100);
  assert.equal(ranges.length, 2 * MAX_ACK_RANGES);
  assert.deepEqual(ranges.slice(0, 4), [117, 117, 114, 114]);
  acknowledger.forget(114);
  acknowledger.took(118, true, 100);
  assert.deepEqual(told(acknowledger, 100).ranges, [118, 117]);
  acknowledger.forget(118);
  acknowledger.took(60, true, 100);
  assert.deepEqual(told(acknowledger, 100).ranges, [118, 117, 60, 60]);
});
