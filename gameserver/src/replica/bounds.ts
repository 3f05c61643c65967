/**
 * Bounds of replica streams. Sizes in bytes; what happens at a bound stands beside it. All but the piece and the
 * window can be changed per stream.
 */

/** One piece of a copy, at most; the owner's thread encodes about so much at once. */
export const REPLICA_PIECE_BYTES = 64 * 1024;
/** What is sent and not acknowledged, of pieces and of deltas each: more waits at the owner. */
export const REPLICA_WINDOW_BYTES = 4 * 1024 * 1024;
/** What a mirror has acknowledged and its world thread has not taken in: above it, it acknowledges what that has. */
export const MIRROR_QUEUE_BYTES = 4 * 1024 * 1024;
/** Pieces of one stream, per second: more waits. */
export const REPLICA_BYTES_PER_SECOND = 64 * 1024 * 1024;
/** Deltas that the owner keeps for a follower until it acknowledges them: above either, another copy is begun. */
export const MAX_KEPT_DELTA_BYTES = 64 * 1024 * 1024;
export const MAX_KEPT_DELTAS = 6_000;
/** Copies of one stream: instead of one more, it fails as `too-slow`. */
export const MAX_COPIES = 3;
/** A stream whose link is gone waits for so long for another one, then it fails. In ms. */
export const REPLICA_RESUME_MS = 10_000;
/** A longer state is refused by the follower, as `too-slow`. */
export const MAX_REPLICA_STATE_BYTES = 4 * 1024 * 1024 * 1024;
/** What one unacknowledged delta counts beside its bytes. */
export const DELTA_OVERHEAD_BYTES = 64;
