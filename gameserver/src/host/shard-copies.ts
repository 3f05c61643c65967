import { OperatingError } from "@atlasnet/core";
import type { DefinitionData } from "@atlasnet/world";
import type { Shard } from "../shard/shard.ts";
import type { StateCopy } from "../shard/state-copy.ts";
import type { StateHash } from "../shard/state-digest.ts";
import { type FromThread, KEPT_COPY } from "./protocol.ts";

/**
 * Whoever follows compares its state with the shard's after the first tick of each so many: it costs the hashes of what
 * changed in the last few ticks.
 */
export const HASHED_EVERY_TICKS = 64;

interface Copy {
  /** Undefined: who follows has it. */
  readonly state: StateCopy | undefined;
  /** Of the state, how far it was given out. */
  offset: number;
}

/**
 * Copies of a shard's state for others to follow: each is given out piece by piece while the shard ticks on, and as
 * long as there is one, every tick's delta is told, once for all of them.
 */
export class ShardCopies {
  private readonly shard: string;
  private readonly post: (message: FromThread) => void;
  private readonly copies = new Map<number, Copy>();

  constructor(shard: string, post: (message: FromThread) => void) {
    this.shard = shard;
    this.post = post;
  }

  /** Between two ticks. @throws OperatingError "too-many-copies" */
  begin(copy: number, shard: Shard, definition: DefinitionData): void {
    this.end(copy);
    const state = shard.beginCopy();
    this.copies.set(copy, { state, offset: 0 });
    const { timeline } = shard.options;
    const { tick } = state;
    const { tickRate } = definition;
    this.post({
      type: "copy-begun",
      shard: this.shard,
      ...{ copy, tick, timeline, tickRate, definition },
    });
  }

  /** Tells every tick from the next one on, to who has the state already. */
  goOn(): void {
    this.copies.set(KEPT_COPY, { state: undefined, offset: 0 });
  }

  /** Gives out the next piece; nothing for a copy that was ended. @throws OperatingError out of order */
  read(number: number, offset: number, maxBytes: number): void {
    const copy = this.copies.get(number);
    if (copy?.state === undefined) return;
    if (offset !== copy.offset)
      throw new OperatingError(
        "bad-data",
        `byte ${offset} of a copy was asked for, the next is ${copy.offset}`,
      );
    const { data, last } = copy.state.read(maxBytes);
    copy.offset += data.length;
    this.post({ type: "copy-piece", shard: this.shard, copy: number, offset, data, last });
  }

  /** Somebody who has had the state from the start follows. */
  get hasKept(): boolean {
    return this.copies.has(KEPT_COPY);
  }

  /** Somebody follows the shard. */
  get isFollowed(): boolean {
    return this.copies.size > 0;
  }

  /** `digest`: of the state after `tick`; undefined while there is none yet. */
  delta(
    { previous, tick, data }: { previous: number; tick: number; data: Uint8Array },
    digest: () => StateHash | undefined,
  ): void {
    if (this.copies.size === 0) return;
    const isHashed = roundOf(tick) > roundOf(previous);
    const { shard } = this;
    this.post({ type: "delta", shard, previous, tick, data, ...(isHashed && digest()) });
  }

  end(number: number): void {
    this.copies.get(number)?.state?.end();
    this.copies.delete(number);
  }

  /** The shard is another one from here on, or none. True if somebody followed it. */
  endAll(): boolean {
    const { size } = this.copies;
    for (const number of [...this.copies.keys()]) this.end(number);
    return size > 0;
  }

  /** Like `endAll`; whoever follows the shard hears why. */
  lose(reason: string): void {
    if (!this.endAll()) return;
    const { shard } = this;
    const message = `shard ${shard} cannot be followed any further: ${reason}`;
    const error = { code: "shard-busy", message, hint: "", stack: "" };
    this.post({ type: "failed", shard, during: "copy", error });
  }
}

function roundOf(tick: number): number {
  return Math.floor(tick / HASHED_EVERY_TICKS);
}
