import type { ReplicaCopy, ReplicaDelta, ReplicaPiece } from "@atlasnet/core";
import type { StateHash } from "../shard/state-digest.ts";
import { DELTA_OVERHEAD_BYTES } from "./bounds.ts";
import { stateDifference, type ToldHash, toldHash } from "./state-comparison.ts";

/** Why a message is not taken in, in words; undefined: it is the next one. */
type Problem = string | undefined;

interface UntakenDelta {
  readonly tick: number;
  readonly cost: number;
  /** Of the state after it, if the owner told it. */
  readonly owner: ToldHash | undefined;
}

/** One copy of a shard's state as it comes in, and the deltas since: what came, and what the world thread has taken in. */
export class IncomingCopy {
  readonly number: number;
  readonly offered: ReplicaCopy;
  /** The world thread waits for its pieces. */
  isOpen = false;
  /** Bytes that came, from the start without a gap. */
  bytes = 0;
  /** All of it came. */
  whole = false;
  /** The tick after what came, once the copy is whole. */
  tick = 0;
  takenBytes = 0;
  /** 0 before the thread has the whole copy. */
  takenTick = 0;
  /** Of the state after `takenTick`, if the thread gave it. */
  takenHash: ToldHash | undefined;
  /** What came and was not taken in. */
  private readonly untaken: UntakenDelta[] = [];
  private untakenDeltaBytes = 0;
  totalBytes: number;
  /** What a mirror has answered for. */
  mirrored = 0;

  constructor(offered: ReplicaCopy) {
    this.number = offered.copy;
    this.offered = offered;
    this.totalBytes = offered.bytes;
  }

  /** Of a state that the thread had before: no piece of it is to come. */
  static had(state: ReplicaCopy): IncomingCopy {
    const copy = new IncomingCopy(state);
    copy.isOpen = copy.whole = true;
    copy.tick = copy.takenTick = copy.mirrored = state.tick;
    return copy;
  }

  get untakenBytes(): number {
    return this.bytes - this.takenBytes + this.untakenDeltaBytes;
  }

  get untakenDeltas(): number {
    return this.untaken.length;
  }

  /** Whether an offer of the same copy goes on from what is here. */
  resumeProblem({ offset, tick, timeline, bytes }: ReplicaCopy): Problem {
    if (offset !== this.bytes) return `goes on at byte ${offset}, ${this.bytes} are here`;
    if (tick !== this.offered.tick || timeline !== this.offered.timeline)
      return `is of tick ${tick}, timeline ${timeline}, and was another state before`;
    if (this.totalBytes !== 0 && bytes !== this.totalBytes)
      return `has ${bytes} bytes, and had ${this.totalBytes} before`;
    return undefined;
  }

  pieceProblem(piece: ReplicaPiece, checksum: (bytes: Uint8Array) => number): Problem {
    const { offset, data, last, crc } = piece;
    const end = offset + data.byteLength;
    if (this.whole) return `comes after the last one, at byte ${offset}`;
    if (offset !== this.bytes) return `begins at byte ${offset}, not at ${this.bytes}`;
    if (data.byteLength === 0 && !last) return `at byte ${offset} is empty`;
    if (checksum(data) !== crc) return `at byte ${offset} is damaged`;
    if (this.totalBytes !== 0 && (end > this.totalBytes || last !== (end === this.totalBytes)))
      return `ends at byte ${end}${last ? " as the last one" : ""}, of ${this.totalBytes}`;
    return undefined;
  }

  addPiece({ data, last }: ReplicaPiece): void {
    this.bytes += data.byteLength;
    if (!last) return;
    this.whole = true;
    this.totalBytes = this.bytes;
    this.tick = this.offered.tick;
  }

  deltaProblem(delta: ReplicaDelta, checksum: (bytes: Uint8Array) => number): Problem {
    const { previous, tick, data, crc } = delta;
    if (!this.whole) return `of tick ${tick} comes before the copy is whole`;
    if (previous !== this.tick)
      return `of tick ${tick} follows tick ${previous}, this state is of tick ${this.tick}`;
    if (tick <= previous) return `of tick ${tick} goes back, from tick ${previous}`;
    if (checksum(data) !== crc) return `of tick ${tick} is damaged`;
    return undefined;
  }

  addDelta(delta: ReplicaDelta): void {
    const { tick, data } = delta;
    const cost = data.byteLength + DELTA_OVERHEAD_BYTES;
    this.untaken.push({ tick, cost, owner: toldHash(delta) });
    this.untakenDeltaBytes += cost;
    this.tick = tick;
  }

  /** The thread says how far it is; the answer is in what its state is another one than the owner's, if it is. */
  took(bytes: number, tick: number, state: Partial<StateHash>): Problem {
    this.takenBytes = bytes;
    this.takenTick = tick;
    this.takenHash = toldHash(state);
    const left = this.untaken.findIndex((delta) => delta.tick > tick);
    const gone = this.untaken.splice(0, left < 0 ? this.untaken.length : left);
    for (const { cost } of gone) this.untakenDeltaBytes -= cost;
    const newest = gone.at(-1);
    if (newest?.owner === undefined || newest.tick !== tick) return undefined;
    return this.difference(newest.owner);
  }

  /** In what the state after `takenTick` differs from what the owner says of it, as far as it is known. */
  difference(owner: ToldHash): Problem {
    const { takenTick, takenHash } = this;
    return takenHash && stateDifference(takenTick, takenHash, owner);
  }

  /**
   * What a mirror answers for: all that came, once the thread has the copy; while more than `maxUntaken` bytes wait for
   * it, no more than before.
   */
  mirroredTick(maxUntaken: number): number {
    if (this.takenTick === 0) return 0;
    const isRoom = this.untakenBytes <= maxUntaken;
    this.mirrored = Math.max(this.mirrored, isRoom ? this.tick : this.takenTick);
    return this.mirrored;
  }

  /** Everything that came was taken in. */
  get isCaughtUp(): boolean {
    return this.whole && this.takenTick === this.tick;
  }
}
