import { type ByteWriter, DecodeError, MAX_SLOTS } from "@atlasnet/world";

/** Where this tick's sections of one topic stand in the batch; `serial` says of which batch. */
export interface TopicSections {
  readonly topic: number;
  /** Slots of this proxy's clients that hold the topic. */
  holders: number;
  deltaSerial: number;
  deltaStart: number;
  deltaEnd: number;
  fullSerial: number;
  fullStart: number;
  fullEnd: number;
}

export function newTopic(topic: number): TopicSections {
  return {
    topic,
    holders: 0,
    deltaSerial: 0,
    deltaStart: 0,
    deltaEnd: 0,
    fullSerial: 0,
    fullStart: 0,
    fullEnd: 0,
  };
}

/**
 * Up to here the tables of slots grow item by item: by themselves arrays begin with room for 17, and there
 * are several for each player, who mostly sees few topics.
 */
const TIGHT_ITEMS = 32;

/** `array` with one more item behind it: itself, or while it is short a copy without room to spare. */
export function appended<T>(array: T[], item: T): T[] {
  if (array.length < TIGHT_ITEMS) return array.concat([item]);
  array.push(item);
  return array;
}

/**
 * One client's slots: which topic has which short name (docs/protocol.md, section 7). They refer to
 * the shared topics directly, so that making a frame needs no look-up.
 *
 * While the client is too slow to get state, the table goes on changing; `known` remembers what the
 * client believes, and `writeRecovery` says the difference.
 */
export class SlotTable {
  slots: (TopicSections | undefined)[] = [];
  /** Batch in which the slot was assigned: such a slot takes the full section. */
  freshIn: number[] = [];
  /** Slots the client's mask covers: one more than the highest assigned that it was told of. */
  width = 0;
  private known: readonly (TopicSections | undefined)[] | undefined;

  assign(slot: number, topic: TopicSections | undefined, serial: number): void {
    if (slot >= MAX_SLOTS) throw new DecodeError(`slot ${slot}, at most ${MAX_SLOTS - 1}`);
    while (this.slots.length <= slot) {
      this.slots = appended<TopicSections | undefined>(this.slots, undefined);
      this.freshIn = appended(this.freshIn, 0);
    }
    this.slots[slot] = topic;
    this.freshIn[slot] = serial;
    if (topic !== undefined && this.known === undefined && slot >= this.width)
      this.width = slot + 1;
  }

  /** The slot of a topic; −1 when it has none. */
  slotOf(topic: number): number {
    return this.slots.findIndex((one) => one?.topic === topic);
  }

  /** From here on the client is not told of changes. */
  freeze(): void {
    this.known = this.slots.slice();
  }

  /** Writes the slots part that brings the client's table to this one, and tells it from here on. */
  writeRecovery(writer: ByteWriter): void {
    const known = this.known ?? [];
    this.known = undefined;
    const freed: number[] = [];
    const assigned: number[] = [];
    // What is freed goes first, so that no topic stands in two slots on the way.
    for (let slot = 0; slot < this.slots.length; slot++) {
      const is = this.slots[slot];
      const was = known[slot];
      if (was !== undefined && was.topic !== is?.topic) freed.push(slot, 0);
      if (is === undefined) continue;
      assigned.push(slot, is.topic + 1);
      if (slot >= this.width) this.width = slot + 1;
    }
    const changes = [...freed, ...assigned];
    writer.varint(changes.length / 2);
    for (const n of changes) writer.varint(n);
  }
}
