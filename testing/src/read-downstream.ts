import { MAX_BLOCK_BYTES, readDownstreamHead, SessionFlag } from "@atlasnet/core";
import { ByteReader } from "@atlasnet/world";

export interface ReliableMessage {
  attach: number;
  seq: number;
  index: number;
  payload: Uint8Array;
}

/** The reliable messages of a downstream batch (core/src/wire/downstream.ts). */
export function* readReliable(batch: Uint8Array): Iterable<ReliableMessage> {
  const reader = new ByteReader(batch);
  readDownstreamHead(reader);
  for (let topics = reader.varint(); topics > 0; topics--) {
    reader.varint();
    reader.block(MAX_BLOCK_BYTES);
    reader.block(MAX_BLOCK_BYTES);
  }
  for (let sessions = reader.varint(); sessions > 0; sessions--) {
    const attach = reader.varint();
    const flags = reader.varint();
    if ((flags & SessionFlag.slots) !== 0)
      for (let slots = reader.varint(); slots > 0; slots--) {
        reader.varint();
        reader.varint();
      }
    if ((flags & SessionFlag.private) !== 0) reader.block(MAX_BLOCK_BYTES);
    if ((flags & SessionFlag.messages) !== 0)
      for (let messages = reader.varint(); messages > 0; messages--)
        yield {
          attach,
          seq: reader.varint(),
          index: reader.varint(),
          payload: reader.block(MAX_BLOCK_BYTES),
        };
    if ((flags & SessionFlag.ack) !== 0) reader.varint();
    if ((flags & SessionFlag.resync) !== 0) reader.varint();
  }
}
