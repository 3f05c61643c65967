import { encodeUpdates } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import type { FeedUpdates } from "./client-feed.ts";
import { type CurrentBatch, copy } from "./frame-writer.ts";
import { varintBytes, writeVarint } from "./framing.ts";
import type { Origins } from "./origins.ts";
import type { SlotTable, TopicSections } from "./slot-table.ts";

/**
 * Packs the changes of topics one by one (docs/protocol.md, 11.4), as many as fit into what is sent
 * together. A section is copied once, from the batch into a buffer that is used for every client.
 */
export class UpdateWriter {
  private buffer = new Uint8Array(2048);
  private readonly large = new ByteWriter(2048);

  /**
   * Sends this batch's deltas of the client's topics. What is too large to be sent so is returned as an
   * item; undefined when nothing is.
   */
  write(
    table: SlotTable,
    origins: Origins,
    to: FeedUpdates,
    batch: CurrentBatch,
  ): Uint8Array | undefined {
    const { slots, freshIn } = table;
    const { serial, tick, bytes } = batch;
    const { maxBytes } = to;
    if (this.buffer.length < maxBytes) this.buffer = new Uint8Array(maxBytes);
    const { buffer, large } = this;
    const headBytes = varintBytes(tick);
    let topics: number[] = [];
    let at = 0;
    large.reset();
    for (let slot = 0; slot < slots.length; slot++) {
      const topic = slots[slot];
      if (topic === undefined || topic.deltaSerial !== serial || freshIn[slot] === serial) continue;
      const origin = origins.of(slot);
      const length = topic.deltaEnd - topic.deltaStart;
      const size = varintBytes(topic.topic) + varintBytes(origin) + varintBytes(length) + length;
      if (headBytes + size > maxBytes) {
        if (large.length === 0) large.varint(tick);
        addUpdate(large, topic.topic, origin, deltaOf(topic, bytes));
        continue;
      }
      if (at + size > maxBytes) {
        to.send(buffer.subarray(0, at), { tick, topics });
        topics = [];
        at = 0;
      }
      if (at === 0) at = writeVarint(buffer, 0, tick);
      at = writeVarint(buffer, at, topic.topic);
      at = writeVarint(buffer, at, origin);
      at = writeVarint(buffer, at, length);
      at = copy(bytes, topic.deltaStart, topic.deltaEnd, buffer, at);
      topics.push(topic.topic);
    }
    if (at > 0) to.send(buffer.subarray(0, at), { tick, topics });
    return large.length > 0 ? encodeUpdates(large.view8()) : undefined;
  }
}

function deltaOf(topic: TopicSections, batch: Uint8Array): Uint8Array {
  return batch.subarray(topic.deltaStart, topic.deltaEnd);
}

/** Adds one update to packed ones, which begin with their tick. */
export function addUpdate(
  writer: ByteWriter,
  topic: number,
  origin: number,
  section: Uint8Array,
): void {
  writer.varint(topic);
  writer.varint(origin);
  writer.block(section);
}
