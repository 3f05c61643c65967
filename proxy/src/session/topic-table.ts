import type { ByteReader } from "@atlasnet/world";
import { skipBlock } from "./skip-block.ts";
import { newTopic, type SlotTable, type TopicSections } from "./slot-table.ts";

/**
 * The topics of one shard that clients of this proxy hold, and where the current batch has their sections. A
 * topic is kept while a slot holds it; others are of one batch, at the end of which they are forgotten.
 */
export class TopicTable {
  private readonly topics = new Map<number, TopicSections>();
  /** Topics to forget after this batch unless somebody holds them by then. */
  private readonly unheld: TopicSections[] = [];

  get size(): number {
    return this.topics.size;
  }

  /** Reads the batch's sections; `serial` is the batch's. Returns how many topics there are in it. @throws DecodeError */
  read(reader: ByteReader, serial: number): number {
    const { topics, unheld } = this;
    const count = reader.varint();
    for (let i = 0; i < count; i++) {
      const number = reader.varint();
      let topic = topics.get(number);
      if (topic === undefined) {
        topic = newTopic(number);
        topics.set(number, topic);
        unheld.push(topic);
      }
      const deltaStart = skipBlock(reader);
      if (reader.offset > deltaStart) {
        topic.deltaSerial = serial;
        topic.deltaStart = deltaStart;
        topic.deltaEnd = reader.offset;
      }
      const fullStart = skipBlock(reader);
      if (reader.offset > fullStart) {
        topic.fullSerial = serial;
        topic.fullStart = fullStart;
        topic.fullEnd = reader.offset;
      }
    }
    return count;
  }

  /** Reads changes of a client's slots into its table; without one they are read past. @throws DecodeError */
  readSlots(reader: ByteReader, table: SlotTable | undefined, serial: number): void {
    const count = reader.varint();
    for (let i = 0; i < count; i++) {
      const slot = reader.varint();
      const number = reader.varint();
      if (table === undefined) continue;
      const before = table.slots[slot];
      let topic: TopicSections | undefined;
      if (number > 0) {
        topic = this.topics.get(number - 1);
        if (topic === undefined) {
          topic = newTopic(number - 1);
          this.topics.set(number - 1, topic);
        }
        topic.holders += 1;
      }
      table.assign(slot, topic, serial);
      if (before === undefined) continue;
      // Kept until the end of the batch: its sections may be for the next who takes it.
      before.holders -= 1;
      if (before.holders === 0) this.unheld.push(before);
    }
  }

  /** A client is gone, and with it what it alone held. */
  release(table: SlotTable): void {
    for (const topic of table.slots) {
      if (topic === undefined) continue;
      topic.holders -= 1;
      if (topic.holders === 0) this.topics.delete(topic.topic);
    }
  }

  /** The batch is over. */
  forgetUnheld(): void {
    for (const topic of this.unheld) if (topic.holders === 0) this.topics.delete(topic.topic);
    this.unheld.length = 0;
  }
}
