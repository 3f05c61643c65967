import { type ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";

/**
 * What clients of one proxy sent to one shard, packed: many small messages in one link message.
 *
 * ```
 * batch   = entry*
 * entry   = varint attach, byte kind, varint n, [varint index, varint length, payload]
 * ```
 * Index and payload follow for `message` and `input`.
 */
export const UpstreamKind = {
  /** Reliable message number n. */
  message: 2,
  /** Downstream messages up to n were received. */
  ack: 3,
  /** Input number n. */
  input: 5,
  /** Full state of the client's topics; with n = RESYNC_MESSAGES its unread messages again, too. */
  resync: 7,
} as const;
export type UpstreamKind = (typeof UpstreamKind)[keyof typeof UpstreamKind];

/** A resync the client asked for: it may miss reliable messages. One of the proxy's own has n = 0. */
export const RESYNC_MESSAGES = 1;

/** Largest payload of one client message. */
export const MAX_PAYLOAD_BYTES = 65_536;

export interface UpstreamEntry {
  attach: number;
  kind: UpstreamKind;
  n: number;
  index: number;
  payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export class UpstreamBatch {
  private readonly writer = new ByteWriter(4096);
  count = 0;

  get byteLength(): number {
    return this.writer.length;
  }

  add(
    attach: number,
    kind: UpstreamKind,
    n: number,
    index = 0,
    payload: Uint8Array = NOTHING,
  ): void {
    const { writer } = this;
    writer.varint(attach);
    writer.u8(kind);
    writer.varint(n);
    if (kind === UpstreamKind.message || kind === UpstreamKind.input) {
      writer.varint(index);
      writer.block(payload);
    }
    this.count += 1;
  }

  /** The bytes so far, copied; the batch is empty again. */
  take(): Uint8Array {
    const bytes = this.writer.finish();
    this.writer.reset();
    this.count = 0;
    return bytes;
  }
}

/** Reads the next entry. Payloads are views into the batch. @throws DecodeError */
export function readUpstreamEntry(reader: ByteReader): UpstreamEntry {
  const attach = reader.varint();
  const kind = reader.u8();
  const n = reader.varint();
  switch (kind) {
    case UpstreamKind.message:
    case UpstreamKind.input:
      return { attach, kind, n, index: reader.varint(), payload: reader.block(MAX_PAYLOAD_BYTES) };
    case UpstreamKind.ack:
    case UpstreamKind.resync:
      return { attach, kind, n, index: 0, payload: NOTHING };
    default:
      throw new DecodeError(`unknown upstream kind ${kind}`);
  }
}
