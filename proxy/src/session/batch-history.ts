import { MAX_BLOCK_BYTES, readDownstreamHead } from "@atlasnet/core";
import { ByteReader } from "@atlasnet/world";

/** Batches kept at most: at 20 ticks a second 6 s, far more than it takes to learn of a loss. */
export const HISTORY_BATCHES = 128;
/** Bytes of batches kept at most per shard; the newest is kept whatever its size. */
export const HISTORY_BYTES = 8 * 1024 * 1024;

interface PastBatch {
  readonly tick: number;
  readonly bytes: Uint8Array;
  /** The deltas by topic; made when the first of them is asked for. */
  deltas: Map<number, Uint8Array> | undefined;
}

/**
 * The last batches of a shard, from which lost updates are sent again. What is older than the bounds is
 * gone: clients who miss something of it need full state. Batches belong to who received them and do
 * not change any more, so they are kept as they are.
 */
export class BatchHistory {
  private readonly batches: PastBatch[] = [];
  private bytes = 0;

  get byteLength(): number {
    return this.bytes;
  }

  add(tick: number, bytes: Uint8Array): void {
    const { batches } = this;
    const last = batches.at(-1);
    // The world went back: what was is of another past.
    if (last !== undefined && tick <= last.tick) this.clear();
    batches.push({ tick, bytes, deltas: undefined });
    this.bytes += bytes.length;
    while (batches.length > HISTORY_BATCHES || (this.bytes > HISTORY_BYTES && batches.length > 1))
      this.bytes -= batches.shift()?.bytes.length ?? 0;
  }

  /** The delta of a topic at a tick, as a view; undefined when it is not known any more. */
  find(tick: number, topic: number): Uint8Array | undefined {
    const batch = this.batches.findLast((one) => one.tick === tick);
    if (batch === undefined) return undefined;
    batch.deltas ??= readDeltas(batch.bytes);
    return batch.deltas.get(topic);
  }

  clear(): void {
    this.batches.length = 0;
    this.bytes = 0;
  }
}

/** Of a batch that was read before, so that it is known to be sound. */
function readDeltas(bytes: Uint8Array): Map<number, Uint8Array> {
  const deltas = new Map<number, Uint8Array>();
  const reader = new ByteReader(bytes);
  readDownstreamHead(reader);
  for (let left = reader.varint(); left > 0; left--) {
    const topic = reader.varint();
    const delta = reader.block(MAX_BLOCK_BYTES);
    if (delta.length > 0) deltas.set(topic, delta);
    reader.block(MAX_BLOCK_BYTES);
  }
  return deltas;
}
