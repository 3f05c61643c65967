import { KEPT_COPY } from "../host/protocol.ts";
import type { StateHash } from "../shard/state-digest.ts";
import { DELTA_OVERHEAD_BYTES } from "./bounds.ts";
import { SendLog, type Span } from "./send-log.ts";
import type { SourceFact } from "./source-types.ts";

export type CopyBegun = Extract<SourceFact, { type: "copy-begun" }>;

type Delta = Extract<SourceFact, { type: "delta" }>;

export interface PieceSpan extends Span {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
  readonly crc: number;
}

/** From the tick before it to its own. */
export interface DeltaSpan extends Span {
  readonly data: Uint8Array;
  readonly crc: number;
  /** Of the state after it, if it is to be compared there. */
  readonly state: StateHash | undefined;
}

/**
 * One copy of a shard's state on its way to a follower, and the deltas since. Positions within the copy are bytes;
 * its end counts one more, so that they tell whether the last piece is there even when it is empty.
 */
export class OutgoingCopy {
  readonly number: number;
  readonly begun: CopyBegun;
  readonly pieces: SendLog<PieceSpan>;
  readonly deltas: SendLog<DeltaSpan>;
  /** A piece was asked for and has not come. */
  reading = false;
  /** Length of the state, once its last piece has come; 0 before. */
  totalBytes = 0;
  isRead = false;
  /** The follower has all of it. */
  whole = false;

  constructor(begun: CopyBegun, isHad = false) {
    this.number = begun.copy;
    this.begun = begun;
    // Its end counts one more.
    this.pieces = new SendLog(isHad ? 1 : 0);
    this.deltas = new SendLog(begun.tick);
    this.isRead = isHad;
    this.whole = isHad;
  }

  /** Of a state that the follower had before: no piece of it is to come. */
  static had(state: Omit<CopyBegun, "copy">): OutgoingCopy {
    return new OutgoingCopy({ ...state, copy: KEPT_COPY }, true);
  }

  /** Bytes that the follower acknowledged. */
  get acknowledgedBytes(): number {
    return this.whole ? this.totalBytes : this.pieces.acknowledged;
  }

  /** Bytes that were sent on this link, or came over one before. */
  get sentBytes(): number {
    return this.isRead ? Math.min(this.pieces.sent, this.totalBytes) : this.pieces.sent;
  }

  /** Where a piece that comes next begins. */
  get nextOffset(): number {
    return this.isRead ? this.totalBytes : this.pieces.end;
  }

  addPiece(offset: number, data: Uint8Array, last: boolean, crc: number): void {
    const end = offset + data.byteLength + (last ? 1 : 0);
    this.pieces.push({ start: offset, end, cost: data.byteLength, offset, data, last, crc });
    if (!last) return;
    this.isRead = true;
    this.totalBytes = offset + data.byteLength;
  }

  addDelta({ previous, tick, data, hash, sections }: Delta, crc: number): void {
    const cost = data.byteLength + DELTA_OVERHEAD_BYTES;
    const state = hash && sections && { hash, sections };
    this.deltas.push({ start: previous, end: tick, cost, data, crc, state });
  }

  /**
   * Goes on from what a follower says it has: bytes, and the tick it is at once it has them all. False when that can
   * not be gone on from.
   */
  resume(bytes: number, tick: number | undefined): boolean {
    if (tick === undefined)
      return !this.whole && this.pieces.rewind(bytes) && this.deltas.rewind(this.begun.tick);
    if (!this.isRead || bytes !== this.totalBytes) return false;
    return this.pieces.rewind(bytes + 1) && this.deltas.rewind(tick);
  }
}
