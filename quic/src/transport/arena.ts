/** Bytes of a slab, and what a view that is kept may keep alive. */
export const SLAB_BYTES = 262_144;

/** Less room than this at the end of a slab is left unused. Holds the largest datagram. */
export const MIN_ROOM_BYTES = 16_384;

/**
 * Memory for bytes that come in. Every byte is handed out once and never written again, so a view may
 * be kept for as long as anyone likes; the collector frees a slab with its last view.
 */
export class Arena {
  private slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private used = 0;
  private roomLeft = this.slab.subarray();

  /** Free memory to write to, at least MIN_ROOM_BYTES; what is not taken is handed out again. */
  room(): Buffer {
    return this.roomLeft;
  }

  /** Takes the first `count` bytes of `room()`. */
  take(count: number): Buffer {
    const start = this.used;
    const taken = this.slab.subarray(start, start + count);
    this.used = start + count;
    if (SLAB_BYTES - this.used < MIN_ROOM_BYTES) {
      this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.used = 0;
    }
    this.roomLeft = this.slab.subarray(this.used);
    return taken;
  }
}
