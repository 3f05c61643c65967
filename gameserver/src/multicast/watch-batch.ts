import { MAX_BLOCK_BYTES, readDownstreamHead, SessionFlag } from "@atlasnet/core";
import { ByteReader, DecodeError } from "@atlasnet/world";

/** A batch of a tick (core/src/wire/downstream.ts) as one who only watches reads it. */
export interface WatchBatch {
  readonly tick: number;
  readonly topics: readonly { topic: number; delta: Uint8Array; full: Uint8Array }[];
  /** Which topic an attachment follows from now on. */
  readonly slots: readonly { attach: number; topic: number }[];
}

/** Bytes in the result are views into the batch. @throws DecodeError for what no shard sends to a watcher. */
export function readWatchBatch(bytes: Uint8Array): WatchBatch {
  const reader = new ByteReader(bytes);
  const { tick } = readDownstreamHead(reader);
  const topics: { topic: number; delta: Uint8Array; full: Uint8Array }[] = [];
  for (let left = reader.varint(); left > 0; left--)
    topics.push({
      topic: reader.varint(),
      delta: reader.block(MAX_BLOCK_BYTES),
      full: reader.block(MAX_BLOCK_BYTES),
    });
  const slots: { attach: number; topic: number }[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const attach = reader.varint();
    const flags = reader.varint();
    if ((flags & ~(SessionFlag.slots | SessionFlag.full)) !== 0)
      throw new DecodeError(`flags ${flags} for a watcher`);
    if ((flags & SessionFlag.slots) === 0) continue;
    for (let changes = reader.varint(); changes > 0; changes--) {
      reader.varint();
      const topic = reader.varint();
      if (topic > 0) slots.push({ attach, topic: topic - 1 });
    }
  }
  reader.end();
  return { tick, topics, slots };
}
