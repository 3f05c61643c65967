import { type DownstreamHead, writeDownstreamHead } from "@atlasnet/core";
import { ByteReader, ByteWriter } from "@atlasnet/world";
import { type Batch, readBatch } from "../checkers/batch.ts";

/** As in a topic's section (docs/protocol.md, section 7). */
const LEAVE = 2;
const FEW = 15;

/** It tells of the tick after the one that was made. */
export function ofTheNextTick(bytes: Uint8Array): Uint8Array {
  return rewritten(bytes, (batch) => ({ ...batch, tick: batch.tick + 1 }));
}

/** The first topic stands in it twice, as if it were for two players. */
export function topicTwice(bytes: Uint8Array): Uint8Array {
  return rewritten(bytes, (batch) => ({
    ...batch,
    topics: [...batch.topics.slice(0, 1), ...batch.topics],
  }));
}

/** Nobody is told of who leaves a topic. */
export function withoutLeaves(bytes: Uint8Array): Uint8Array {
  return rewritten(bytes, (batch) => ({
    ...batch,
    topics: batch.topics.map((topic) => ({ ...topic, delta: nobodyLeaves(topic.delta) })),
  }));
}

function rewritten(bytes: Uint8Array, change: (batch: Batch) => Batch): Uint8Array {
  const before = readBatch(bytes);
  const { tick, topics } = change(before);
  const writer = new ByteWriter();
  const head: DownstreamHead = { tick, dilation: before.dilation };
  writeDownstreamHead(writer, head);
  writer.varint(topics.length);
  for (const { topic, delta, full } of topics) {
    writer.varint(topic);
    writer.block(delta);
    writer.block(full);
  }
  writer.raw(bytes.subarray(before.sessionsAt));
  return writer.finish();
}

/** Leaves are the first records of a delta, each the kind, the index and, with bit 2 of the kind, where to. */
function nobodyLeaves(delta: Uint8Array): Uint8Array {
  if (delta.length === 0) return delta;
  const reader = new ByteReader(delta);
  const head = reader.u8();
  const previous = (head & FEW) === FEW ? reader.varint() : head & FEW;
  let count = head >> 4 === FEW ? reader.varint() : head >> 4;
  let at = reader.offset;
  while (count > 0) {
    const kind = reader.varint();
    if ((kind & 3) !== LEAVE) break;
    reader.varint();
    if (kind >> 2 !== 0) reader.varint();
    count -= 1;
    at = reader.offset;
  }
  const writer = new ByteWriter();
  writer.u8(Math.min(previous, FEW) | (Math.min(count, FEW) << 4));
  if (previous >= FEW) writer.varint(previous);
  if (count >= FEW) writer.varint(count);
  writer.raw(delta.subarray(at));
  return writer.finish();
}
