import { OperatingError } from "@atlasnet/core";
import type { StateCodec } from "./state-codec.ts";
import { StateCopy } from "./state-copy.ts";
import type { StateHash } from "./state-digest.ts";
import { StateDigest } from "./state-digest.ts";
import { StateFollower } from "./state-follower.ts";
import type { Store } from "./store.ts";

/** Copies of one shard at a time: each may cost as much memory as the state. One more is refused. */
export const MAX_COPIES = 4;

/** What a shard has to do with its likes elsewhere: copies of its state, or the state it follows. */
export class Replication {
  private readonly codec: StateCodec;
  private readonly store: Store;
  private readonly copies = new Set<StateCopy>();
  /** Kept while there is a copy. */
  private kept: StateDigest | undefined;
  private follower: StateFollower | undefined;
  /** The digest stays without a copy. */
  private isHeld = false;

  constructor(codec: StateCodec, store: Store) {
    this.codec = codec;
    this.store = store;
  }

  beginCopy(): StateCopy {
    if (this.follower?.isWhole === false) throw new TypeError("there is no state to copy yet");
    if (this.copies.size >= MAX_COPIES)
      throw new OperatingError("too-many-copies", `the shard is being copied ${MAX_COPIES} times`, {
        hint: "Wait until a migration or a mirror of this world is through, or cancel one.",
      });
    if (this.follower === undefined) this.kept ??= new StateDigest(this.codec, this.store);
    // Who follows has a digest already: for the one of its copies nobody asks.
    const digest = this.kept ?? new StateDigest(this.codec, this.store);
    const copy = new StateCopy(this.codec, this.store, digest, () => {
      this.copies.delete(copy);
      this.tidy();
    });
    this.copies.add(copy);
    return copy;
  }

  /** Whether the digest is kept when the last copy is ended. */
  hold(held: boolean): void {
    this.isHeld = held;
    this.tidy();
  }

  private tidy(): void {
    if (this.copies.size === 0 && !this.isHeld) this.kept = undefined;
  }

  /**
   * Follows with the store of a shard that stands still, which this one shares, and has its digest.
   * @throws OperatingError when that one kept none
   */
  followOn({ kept }: Replication): void {
    if (kept?.isWhole !== true)
      throw new OperatingError("no-replica", "nobody has kept the hash of the state");
    this.follower = new StateFollower(this.codec, this.store, kept);
  }

  beginLoad(): StateFollower {
    if (this.follower !== undefined || this.store.tick !== 0)
      throw new TypeError("only an empty shard can begin to follow");
    this.follower = new StateFollower(this.codec, this.store);
    return this.follower;
  }

  follow(tick: number, delta: Uint8Array): void {
    if (this.follower === undefined) throw new TypeError("the shard follows no other");
    this.follower.follow(tick, delta);
  }

  /** The end of following: the state is this shard's own. */
  promote(): void {
    if (this.follower?.isWhole !== true)
      throw new TypeError("the shard has no state to go on from");
    if (this.isHeld) this.kept = this.follower.digest;
    this.follower = undefined;
  }

  /** Before the store forgets what a tick changed. */
  update(): void {
    this.kept?.update();
  }

  digest(): StateHash | undefined {
    if (this.follower !== undefined)
      return this.follower.isWhole ? this.follower.value() : undefined;
    return this.kept?.isWhole === true ? this.kept.value() : undefined;
  }
}
