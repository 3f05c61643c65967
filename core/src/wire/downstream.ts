import type { ByteReader, ByteWriter } from "@atlasnet/world";

/**
 * What one tick of a shard sends to one proxy, packed. A topic stands in it once, however many of the
 * proxy's clients see it (design rule 3.2).
 *
 * ```
 * batch   = varint tick, varint dilation (per mille; 0: as before), topics, sessions
 * topics  = varint n, n × (varint topic, block delta, block full)          empty block: none
 * sessions= varint n, n × (varint attach, varint flags, [slots] [private] [messages] [ack] [resync])
 * slots   = varint n, n × (varint slot, varint topic + 1, or 0: freed)
 * private = block, in the form of docs/protocol.md, section 7 (count and records)
 * messages= varint n, n × (varint seq, varint index, block payload)
 * ack     = varint appliedSeq          resync = varint appliedSeq
 * ```
 * A newly assigned slot, and every slot of a session with the `full` flag, takes the topic's full
 * section in this batch; the shard sees to it that it is there.
 */
export const SessionFlag = {
  slots: 1,
  private: 2,
  full: 4,
  messages: 8,
  ack: 16,
  resync: 32,
} as const;

/** Most bytes of one topic's section, private part or message. */
export const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
/** Reliable messages to one session in one tick. */
export const MAX_MESSAGES_PER_TICK = 1024;

export interface DownstreamHead {
  tick: number;
  dilation: number;
}

export function writeDownstreamHead(writer: ByteWriter, head: DownstreamHead): void {
  writer.varint(head.tick);
  writer.varint(head.dilation);
}

export function readDownstreamHead(reader: ByteReader): DownstreamHead {
  return { tick: reader.varint(), dilation: reader.varint() };
}
