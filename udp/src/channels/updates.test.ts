import assert from "node:assert/strict";
import { test } from "node:test";
import { newDatagramStats } from "../datagram-stats.ts";
import { MAX_EARLY_UPDATES, MAX_UPDATES_BYTES, MAX_WAITING_UPDATES } from "../limits.ts";
import { PacketArena } from "../packet/packet-arena.ts";
import { PacketWriter } from "../packet/packet-writer.ts";
import { UpdatesIntake } from "./updates-intake.ts";
import { UpdatesQueue } from "./updates-queue.ts";

function intake(): {
  updates: UpdatesIntake;
  items: number[][];
  stats: ReturnType<typeof newDatagramStats>;
} {
  const items: number[][] = [];
  const stats = newDatagramStats();
  const updates = new UpdatesIntake((item) => {
    items.push([...item]);
    return true;
  }, stats);
  return { updates, items, stats };
}

test("updates become CBOR items of two: the number 10 and a byte string", () => {
  const { updates, items } = intake();
  for (const length of [0, 23, 24, 255, 256, MAX_UPDATES_BYTES]) {
    items.length = 0;
    updates.take(0, new Uint8Array(length).fill(7));
    const head =
      length < 24
        ? [0x40 | length]
        : length < 256
          ? [0x58, length]
          : [0x59, length >>> 8, length & 0xff];
    assert.deepEqual(items, [[0x82, 10, ...head, ...new Array<number>(length).fill(7)]]);
  }
});

test("updates wait for their welcome, and those of an earlier one are dropped", () => {
  const { updates, items, stats } = intake();
  updates.welcome();
  updates.take(2, Uint8Array.of(2));
  updates.take(3, Uint8Array.of(3));
  updates.take(2, Uint8Array.of(4));
  updates.take(1, Uint8Array.of(1));
  const seen = (): number[] => items.map((item) => item[3] ?? -1);
  assert.deepEqual(seen(), [1]);
  updates.welcome();
  assert.deepEqual(seen(), [1, 2, 4]);
  updates.take(1, Uint8Array.of(9));
  assert.equal(stats.updatesOutdated, 1);
  updates.welcome();
  assert.deepEqual(seen(), [1, 2, 4, 3]);
});

test("more updates than may wait for a welcome are all dropped", () => {
  const { updates, items, stats } = intake();
  for (let i = 0; i <= MAX_EARLY_UPDATES; i++) updates.take(1, Uint8Array.of(i));
  assert.equal(stats.updatesOverflowed, MAX_EARLY_UPDATES + 1);
  updates.take(1, Uint8Array.of(99));
  updates.welcome();
  assert.deepEqual(items, [[0x82, 10, 0x41, 99]]);
});

test("a queue writes what fits, and gives the rest back", () => {
  const queue = new UpdatesQueue<number>();
  const bytes = new Uint8Array(MAX_UPDATES_BYTES / 2 + 50);
  for (let i = 0; i < 3; i++) queue.push(1, bytes, i);
  bytes.fill(0xff);
  const writer = new PacketWriter(new PacketArena());
  writer.begin(0, undefined);
  assert.deepEqual(queue.write(writer), [0]);
  assert.equal(queue.write(writer), undefined);
  writer.begin(0, undefined);
  assert.deepEqual(queue.write(writer), [1]);
  assert.deepEqual(queue.takeUnsent(), [2]);
  assert.equal(queue.takeUnsent(), undefined);
});

test("a queue that is full gives back what is too much", () => {
  const queue = new UpdatesQueue<number>();
  for (let i = 0; i < MAX_WAITING_UPDATES + 2; i++) queue.push(1, Uint8Array.of(1), i);
  const writer = new PacketWriter(new PacketArena());
  writer.begin(0, undefined);
  assert.equal(queue.write(writer)?.length, MAX_WAITING_UPDATES);
  assert.deepEqual(queue.takeUnsent(), [MAX_WAITING_UPDATES, MAX_WAITING_UPDATES + 1]);
});

test("the largest updates fit into a packet with an ordinary ack", () => {
  const writer = new PacketWriter(new PacketArena());
  writer.begin(2 ** 20, undefined);
  writer.raw(new Uint8Array(12));
  const queue = new UpdatesQueue<number>();
  queue.push(100, new Uint8Array(MAX_UPDATES_BYTES), 1);
  assert.deepEqual(queue.write(writer), [1]);
});
