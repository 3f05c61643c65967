import { ByteReader, DecodeError, EndsTooEarlyError } from "@atlasnet/world";
import type { StateCodec } from "./state-codec.ts";
import { StateDigest, type StateHash } from "./state-digest.ts";
import type { Store } from "./store.ts";

/** Longest item of a state: far above what an outbox or an entity may hold. Longer: a DecodeError. */
const MAX_ITEM_BYTES = 16 * 1024 * 1024;

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * A store that becomes another's, and stays so: the pieces of a copy (StateCopy) first, then the delta of every
 * tick. Each call takes time in proportion to what it is given.
 */
export class StateFollower {
  readonly store: Store;
  private readonly codec: StateCodec;
  readonly digest: StateDigest;
  /** What belongs to an item whose rest did not come yet. */
  private unfinished = NOTHING;
  private at: "head" | "items" | "end" | "whole" = "head";

  /**
   * `store` is empty, and nobody else writes to it meanwhile. With a `digest` of it, it holds the state already: no copy
   * comes.
   */
  constructor(codec: StateCodec, store: Store, digest?: StateDigest) {
    this.codec = codec;
    this.store = store;
    this.digest = digest ?? new StateDigest(codec, store);
    if (digest !== undefined) this.at = "whole";
  }

  /**
   * Takes in the next bytes of the copy, however it was cut.
   * @throws DecodeError for bytes that no writer of this format wrote: what was taken in is of no use then.
   */
  take(data: Uint8Array): void {
    if (this.at === "whole") throw new TypeError("the copy was finished before");
    const reader = new ByteReader(joined(this.unfinished, data));
    let done = 0;
    try {
      while (this.step(reader)) done = reader.offset;
      if (reader.remaining > 0) throw new DecodeError("bytes after the end of the state");
      done = reader.offset;
    } catch (error) {
      if (!(error instanceof EndsTooEarlyError)) throw error;
    }
    this.unfinished = reader.bytes.slice(done);
    if (this.unfinished.length > MAX_ITEM_BYTES)
      throw new DecodeError(`an item of more than ${MAX_ITEM_BYTES} bytes`);
    this.passOn();
  }

  /** That was all of it. @throws DecodeError when it was not. */
  finish(): void {
    if (this.at !== "end") throw new EndsTooEarlyError();
    this.at = "whole";
    this.digest.isWhole = true;
    this.unfinished = NOTHING;
  }

  get isWhole(): boolean {
    return this.at === "whole";
  }

  /**
   * Takes in what a tick changed; `tick` as its sender says it. The caller sees to it that none is left out.
   * @throws DecodeError for another tick's delta, one that was there before, and bytes of another form.
   */
  follow(tick: number, delta: Uint8Array): void {
    const { codec, store } = this;
    if (!this.isWhole) throw new TypeError("a delta before the copy was finished");
    const before = store.tick;
    const reader = new ByteReader(delta);
    codec.readHead(reader, store);
    if (store.tick !== tick || tick <= before)
      throw new DecodeError(`a delta of tick ${store.tick} as that of ${tick}, after ${before}`);
    while (codec.readOperation(reader, store));
    reader.end();
    this.passOn();
  }

  /** The digest of the state taken in so far (StateDigest). */
  value(): StateHash {
    return this.digest.value();
  }

  /** False at the end of the state. */
  private step(reader: ByteReader): boolean {
    if (this.at === "end") return false;
    if (this.at === "head") {
      this.codec.readHead(reader, this.store);
      this.at = "items";
      return true;
    }
    if (this.codec.readOperation(reader, this.store)) return true;
    this.at = "end";
    return false;
  }

  /** The changes are known; the store need not remember them. */
  private passOn(): void {
    this.digest.update();
    this.store.clearChanges();
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  if (head.length === 0) return tail;
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
