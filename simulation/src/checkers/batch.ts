import { MAX_BLOCK_BYTES, readDownstreamHead, SessionFlag } from "@atlasnet/core";
import { ByteReader } from "@atlasnet/world";

/** What one tick of a shard sent to one proxy (core/src/wire/downstream.ts), as far as checkers look at it. */
export interface Batch {
  readonly tick: number;
  readonly dilation: number;
  readonly topics: readonly {
    readonly topic: number;
    readonly delta: Uint8Array;
    readonly full: Uint8Array;
  }[];
  readonly acks: readonly { readonly attach: number; readonly seq: number }[];
  /** Where the part of the sessions begins. */
  readonly sessionsAt: number;
}

let last: { readonly bytes: Uint8Array; readonly batch: Batch } | undefined;

/** Checkers look at a batch one after the other: it is read once. */
export function readBatch(bytes: Uint8Array): Batch {
  if (last?.bytes !== bytes) last = { bytes, batch: read(bytes) };
  return last.batch;
}

function read(bytes: Uint8Array): Batch {
  const reader = new ByteReader(bytes);
  const { tick, dilation } = readDownstreamHead(reader);
  const topics = Array.from({ length: reader.varint() }, () => ({
    topic: reader.varint(),
    delta: reader.block(MAX_BLOCK_BYTES),
    full: reader.block(MAX_BLOCK_BYTES),
  }));
  const sessionsAt = reader.offset;
  const acks: { attach: number; seq: number }[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const attach = reader.varint();
    const flags = reader.varint();
    if (flags & SessionFlag.slots)
      for (let n = reader.varint(); n > 0; n--) {
        reader.varint();
        reader.varint();
      }
    if (flags & SessionFlag.private) reader.block(MAX_BLOCK_BYTES);
    if (flags & SessionFlag.messages)
      for (let n = reader.varint(); n > 0; n--) {
        reader.varint();
        reader.varint();
        reader.block(MAX_BLOCK_BYTES);
      }
    for (const flag of [SessionFlag.ack, SessionFlag.resync])
      if (flags & flag) acks.push({ attach, seq: reader.varint() });
  }
  return { tick, dilation, topics, acks, sessionsAt };
}
