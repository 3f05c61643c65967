/** A stream begins with so much; it is enough for what nearly all connections have in flight. */
const SMALL_BYTES = 256;
const LARGE_BYTES = 4096;
/** Small ones are cut from one piece of memory: by itself, each would cost more than it holds. */
const SLAB_BYTES = 64 * 1024;
/** Buffers that wait to be used again: 2 MiB and 4 MiB at most. Those that come back beyond it are garbage. */
const MAX_SMALL = 8192;
const MAX_LARGE = 1024;

/**
 * Buffers that the streams of all connections take turns with: a stream has one while something of it is
 * not acknowledged, and most have nothing most of the time.
 */
class SendBuffers {
  private readonly small: Uint8Array[] = [];
  private readonly large: Uint8Array[] = [];

  /** At least `bytes` bytes; with any content. */
  take(bytes: number): Uint8Array {
    if (bytes <= SMALL_BYTES) {
      if (this.small.length === 0) this.cut();
      return this.small.pop() ?? new Uint8Array(SMALL_BYTES);
    }
    if (bytes <= LARGE_BYTES) return this.large.pop() ?? new Uint8Array(LARGE_BYTES);
    return new Uint8Array(bytes);
  }

  /** Whoever gives a buffer back keeps no view of it. */
  give(buffer: Uint8Array): void {
    const { length } = buffer;
    if (length === SMALL_BYTES) {
      if (this.small.length < MAX_SMALL) this.small.push(buffer);
    } else if (length === LARGE_BYTES && this.large.length < MAX_LARGE) this.large.push(buffer);
  }

  private cut(): void {
    const slab = new Uint8Array(SLAB_BYTES);
    for (let at = 0; at < SLAB_BYTES; at += SMALL_BYTES)
      this.small.push(slab.subarray(at, at + SMALL_BYTES));
  }
}

export const sendBuffers = new SendBuffers();
