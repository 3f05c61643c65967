import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, DecodeError, MAX_SLOTS } from "@atlasnet/world";
import { SlotTable } from "./slot-table.ts";
import { TopicTable } from "./topic-table.ts";

const u8 = Uint8Array.of.bind(Uint8Array);
const NOTHING = new Uint8Array(0);

interface Sections {
  topic: number;
  delta?: Uint8Array;
  full?: Uint8Array;
}

/** A table whose batches are written as in core/src/wire/downstream.ts. */
function scene() {
  const topics = new TopicTable();
  let serial = 0;
  const batch = (...sections: Sections[]) => {
    serial += 1;
    const writer = new ByteWriter(64);
    writer.varint(sections.length);
    for (const { topic, delta = NOTHING, full = NOTHING } of sections) {
      writer.varint(topic);
      writer.block(delta);
      writer.block(full);
    }
    const bytes = writer.finish();
    const reader = new ByteReader(bytes);
    assert.equal(topics.read(reader, serial), sections.length);
    reader.end();
    return bytes;
  };
  /** Pairs of slot and topic; a topic of −1 frees the slot. */
  const slots = (table: SlotTable | undefined, ...changes: [slot: number, topic: number][]) => {
    const writer = new ByteWriter(64);
    writer.varint(changes.length);
    for (const [slot, topic] of changes) {
      writer.varint(slot);
      writer.varint(topic + 1);
    }
    const reader = new ByteReader(writer.view8());
    topics.readSlots(reader, table, serial);
    reader.end();
  };
  return { topics, batch, slots };
}

test("a topic is kept while a slot holds it; others are forgotten with their batch", () => {
  const { topics, batch, slots } = scene();
  const [a, b] = [new SlotTable(), new SlotTable()];
  batch({ topic: 3, full: u8(1) }, { topic: 4, full: u8(2) });
  slots(a, [0, 3]);
  slots(b, [5, 3], [6, 9]);
  assert.equal(a.slots[0], b.slots[5], "they share it");
  assert.equal(topics.size, 3, "a topic may be held before anything was said of it");
  topics.forgetUnheld();
  assert.equal(topics.size, 2);
  topics.release(a);
  assert.equal(topics.size, 2);
  topics.release(b);
  assert.equal(topics.size, 0);
});

test("a topic that is freed is there until its batch is over, for who takes it then", () => {
  const { topics, batch, slots } = scene();
  const [a, b] = [new SlotTable(), new SlotTable()];
  slots(a, [0, 3]);
  const bytes = batch({ topic: 3, delta: u8(7), full: u8(8, 9) });
  slots(a, [0, -1]);
  slots(b, [1, 3]);
  topics.forgetUnheld();
  const topic = b.slots[1] ?? assert.fail("a topic");
  assert.deepEqual(bytes.subarray(topic.deltaStart, topic.deltaEnd), u8(7));
  assert.deepEqual(bytes.subarray(topic.fullStart, topic.fullEnd), u8(8, 9));
  assert.equal(topics.size, 1);
  batch();
  slots(b, [1, -1]);
  topics.forgetUnheld();
  assert.equal(topics.size, 0);
});

test("sections say of which batch they are; one that is empty is not there", () => {
  const { topics, batch, slots } = scene();
  const table = new SlotTable();
  batch({ topic: 3, full: u8(1) });
  slots(table, [0, 3]);
  batch({ topic: 3, delta: u8(2) });
  const topic = table.slots[0];
  assert.deepEqual([topic?.fullSerial, topic?.deltaSerial], [1, 2]);
  assert.deepEqual(table.freshIn, [1]);
  topics.forgetUnheld();
});

test("slots of who is gone are read past; those that nobody can have are not of the form", () => {
  const { topics, slots } = scene();
  slots(undefined, [0, 3], [MAX_SLOTS, 4]);
  assert.equal(topics.size, 0);
  assert.throws(() => slots(new SlotTable(), [MAX_SLOTS, 4]), DecodeError);
});
