import type { ReplicaCopy, ReplicaDelta, ReplicaPiece } from "@atlasnet/core";
import { ByteRate } from "./byte-rate.ts";
import type { ReplicaCounts } from "./counts.ts";
import type { DeltaSpan, OutgoingCopy, PieceSpan } from "./outgoing-copy.ts";
import type { ReplicaSourceOptions } from "./source-types.ts";

type Options = Pick<
  Required<ReplicaSourceOptions>,
  "shard" | "epoch" | "bytesPerSecond" | "windowBytes" | "pieceBytes"
>;

/** What of a copy and its deltas may be sent or asked for now: within the window, at the rate, in order. */
export class CopySender {
  private readonly options: Options;
  private readonly counts: ReplicaCounts;
  private readonly rate: ByteRate;

  constructor(options: Options, { counts }: { counts: ReplicaCounts }) {
    this.options = options;
    this.counts = counts;
    this.rate = new ByteRate(options.bytesPerSecond);
  }

  /** Ms from `now` until a piece is to be asked for; Infinity when there is none to be, or no room for it. */
  waitMs(copy: OutgoingCopy, now: number): number {
    if (copy.reading || copy.isRead) return Number.POSITIVE_INFINITY;
    const { pieceBytes, windowBytes } = this.options;
    if (copy.pieces.cost + pieceBytes > windowBytes) return Number.POSITIVE_INFINITY;
    return this.rate.waitMs(now);
  }

  /** A piece that was asked for has come. */
  read(bytes: number): void {
    this.rate.take(bytes);
  }

  /** What says that the copy begins, or goes on. */
  offer(copy: OutgoingCopy): ReplicaCopy {
    const { shard, epoch } = this.options;
    const { tick, timeline, tickRate, definition } = copy.begun;
    const about = { type: "replica-copy", shard, epoch, copy: copy.number } as const;
    const { totalBytes: bytes, sentBytes: offset } = copy;
    return { ...about, tick, bytes, offset, timeline, tickRate, definition };
  }

  *pieces(copy: OutgoingCopy): Generator<ReplicaPiece> {
    const { windowBytes } = this.options;
    let span = copy.pieces.take(windowBytes);
    for (; span !== undefined; span = copy.pieces.take(windowBytes)) yield this.piece(copy, span);
  }

  *deltas(copy: OutgoingCopy): Generator<ReplicaDelta> {
    const { windowBytes } = this.options;
    let span = copy.deltas.take(windowBytes);
    for (; span !== undefined; span = copy.deltas.take(windowBytes)) yield this.delta(span);
  }

  private piece({ number: copy }: OutgoingCopy, span: PieceSpan): ReplicaPiece {
    const { shard, epoch } = this.options;
    const { offset, data, last, crc } = span;
    this.counts.piecesSent += 1;
    this.counts.pieceBytesSent += data.byteLength;
    return { type: "replica-piece", shard, epoch, copy, offset, data, crc, last };
  }

  private delta({ start: previous, end: tick, data, crc, state }: DeltaSpan): ReplicaDelta {
    const { shard, epoch } = this.options;
    this.counts.deltasSent += 1;
    this.counts.deltaBytesSent += data.byteLength;
    return { type: "replica-delta", shard, epoch, previous, tick, data, crc, ...state };
  }
}
